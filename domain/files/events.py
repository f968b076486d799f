"""What happens to files, in the order in which it can happen. Subject: the file's id."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.event import Event, event

STREAM = "waybill:files"


@dataclass(frozen=True, kw_only=True)
class FileEvent(Event):
    """What every file event carries; `size` in bytes, `sha256` in hex, null while unknown."""

    file_id: UUID
    owner_id: UUID
    name: str
    size: int
    content_type: str
    sha256: str | None
    version: int

    @property
    def subject(self) -> UUID:
        return self.file_id


@event("file.uploaded", stream=STREAM)
class FileUploaded(FileEvent):
    """The client says that all bytes are there; nothing of it has been checked yet."""


@event("file.available", stream=STREAM)
class FileAvailable(FileEvent):
    """The bytes are verified and can be downloaded."""


@event("file.rejected", stream=STREAM)
class FileRejected(FileEvent):
    """The bytes are not what was promised; they are removed."""

    reason: str


@event("file.updated", stream=STREAM)
class FileUpdated(FileEvent):
    """The owner changed what is said of the file; `changed` names the fields, as `PATCH` does."""

    changed: list[str]


@event("file.indexed", stream=STREAM)
class FileIndexed(FileEvent):
    """The file can be found by the words of its name, tags and metadata."""


@event("file.expired", stream=STREAM)
class FileExpired(FileEvent):
    """The file's time is over; its bytes are removed."""

    expires_at: datetime


@event("file.delete_requested", stream=STREAM)
class FileDeleteRequested(FileEvent):
    """The owner deleted the file: it is gone for everybody, its bytes are about to be removed."""


@event("file.deleted", stream=STREAM)
class FileDeleted(FileEvent):
    """The object is gone from storage."""
