"""What can disagree between bytes and rows."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec


class Kind(StrEnum):
    OBJECT_WITHOUT_ROW = "object_without_row"
    OBJECT_NOT_NEEDED = "object_not_needed"
    OBJECT_MISSING = "object_missing"
    OBJECT_DIFFERS = "object_differs"
    PROCESSING_STUCK = "processing_stuck"
    DELETION_STUCK = "deletion_stuck"
    UPLOAD_WITHOUT_OWNER = "upload_without_owner"


REPAIRS: Final[Mapping[Kind, str]] = {
    # kind: what repairing it does, and the event that tells so
    Kind.OBJECT_WITHOUT_ROW: "removed: storage.object_removed",
    Kind.OBJECT_NOT_NEEDED: "removed: storage.object_removed",
    Kind.OBJECT_MISSING: "the file is rejected: file.rejected, object_missing",
    Kind.OBJECT_DIFFERS: "none: compare it with a backup",
    Kind.PROCESSING_STUCK: "finalized again: file.uploaded; or rejected where there is nothing to finalize",
    Kind.DELETION_STUCK: "removed: file.deleted",
    Kind.UPLOAD_WITHOUT_OWNER: "aborted: storage.upload_aborted",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that disagrees; `size` in bytes, of the object where there is one."""

    kind: Kind
    file_id: UUID
    key: str
    since: datetime
    size: int | None = None
    upload_id: str | None = None
