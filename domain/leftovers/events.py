"""What reconciliation removes from S3. Subject: the id of the file that it was made for, be there one or not."""

from dataclasses import dataclass
from uuid import UUID

from domain.event import Event, event

STREAM = "waybill:storage"


@dataclass(frozen=True, kw_only=True)
class LeftoverEvent(Event):
    """Where in S3 it was, and why it was nobody's: `no_file` or `not_needed`."""

    file_id: UUID
    bucket: str
    key: str
    reason: str

    @property
    def subject(self) -> UUID:
        return self.file_id


@event("storage.object_removed", stream=STREAM)
class ObjectRemoved(LeftoverEvent):
    """An object that no file had any use for is gone; `size` in bytes."""

    size: int


@event("storage.upload_aborted", stream=STREAM)
class UploadAborted(LeftoverEvent):
    """A multipart upload that nobody owned is gone, with the parts that had come."""
