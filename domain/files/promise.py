"""What a client promises of bytes to come, and where in S3 they are to come to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OUR_KEY = re.compile(f"(files|incoming)/(?P<file_id>{_UUID})(/{_UUID})?")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a client says of the bytes to come: size in bytes, SHA-256 in hex."""

    name: str
    size: int
    content_type: str
    sha256: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in S3 the bytes are to come: in parts of `part_size` bytes where there is an `upload_id`.

    Clients may write there until `open_until`; where it is None the bytes come through us.
    """

    file_id: UUID
    bucket: str
    key: str
    upload_id: str | None = None
    part_size: int | None = None
    open_until: datetime | None = None


def object_key(file_id: UUID, attempt: UUID | None = None) -> str:
    """Where no client can write once the bytes are whole. Each attempt to move bytes here has a key of its own."""
    return f"files/{file_id}" if attempt is None else f"files/{file_id}/{attempt}"


def incoming_key(file_id: UUID) -> str:
    """Where a client may write an upload of one part, as often as its URL lives; finalization copies from here."""
    return f"incoming/{file_id}"


def file_of(key: str) -> UUID | None:
    """The file that a key was made for; None where it is none of ours."""
    found = OUR_KEY.fullmatch(key)
    return UUID(found["file_id"]) if found else None
