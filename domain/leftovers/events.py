"""What reconciliation removes from S3. Subject: the id of the file that it was made for, be there one or not."""

from dataclasses import dataclass
from uuid import UUID

from domain.event import Event, event

STREAM = "waybill:storage"


@dataclass(frozen=True, kw_only=True)
class LeftoverEvent(Event):
    """Where in S3 it was, and why it was nobody's."""

    file_id: UUID
    """The file that it was made for, be there one or not."""
    bucket: str
    """Where it was."""
    key: str
    """Its name in the bucket."""
    reason: str
    """Why it was nobody's: `no_file` or `not_needed`."""

    @property
    def subject(self) -> UUID:
        return self.file_id


@event("storage.object_removed", stream=STREAM)
class ObjectRemoved(LeftoverEvent):
    """An object that no file had any use for is gone."""

    size: int
    """In bytes."""


@event("storage.upload_aborted", stream=STREAM)
class UploadAborted(LeftoverEvent):
    """A multipart upload that nobody owned is gone, with the parts that had come."""
