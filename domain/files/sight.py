"""A file as whoever reads it sees it: the row, belonging to no session."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from domain.aggregate import now
from domain.files.model import File


class SeenFile(msgspec.Struct, frozen=True):
    """Fields are called as those of File."""

    id: UUID
    name: str
    name_folded: str
    size: int
    content_type: str
    sha256: str | None
    status: str
    rejected_reason: str | None
    tags: list[str]
    details: dict[str, Any]
    version: int
    owner_id: UUID
    bucket: str
    key: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()


FIELDS = [getattr(File, name) for name in SeenFile.__struct_fields__]
COLUMNS = [field.expression.name for field in FIELDS]
SEEN = select(*FIELDS)
"""Its rows are the fields, in their order."""
