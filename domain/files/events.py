"""What happens to files, in the order in which it can happen. Subject: the file's id."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.event import Event, event

STREAM = "waybill:files"


@dataclass(frozen=True, kw_only=True)
class FileEvent(Event):
    """What every file event carries: the file as it is after what happened."""

    file_id: UUID
    """The file."""
    owner_id: UUID
    """The account whose file it is."""
    name: str
    """As the owner calls it now."""
    size: int
    """In bytes."""
    content_type: str
    """What the client said, then what was found in the bytes."""
    sha256: str | None
    """In hex; null while unknown."""
    version: int
    """Counts the changes of the file; its `ETag`."""

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
    """`size_mismatch`, `checksum_mismatch`, `object_missing`, `too_large` or `type_not_allowed`."""


@event("file.updated", stream=STREAM)
class FileUpdated(FileEvent):
    """The owner changed what is said of the file."""

    changed: list[str]
    """Names of fields, as `PATCH` calls them."""


@event("file.indexed", stream=STREAM)
class FileIndexed(FileEvent):
    """The file can be found by the words of its name, tags and metadata."""


@event("file.shared", stream=STREAM)
class FileShared(FileEvent):
    """Whoever has a link, and the password if there is one, can download the file as long as the share holds.

    It ends with its file, which tells of that itself.
    """

    share_id: UUID
    """The share."""
    expires_at: datetime | None
    """When it ends by itself; null for not before its file."""
    max_downloads: int | None
    """How often its links work; null for as often as anybody likes."""
    has_password: bool
    """Whether one is asked for."""
    recipients: int
    """How many get a link by mail."""


@event("file.share_revoked", stream=STREAM)
class FileShareRevoked(FileEvent):
    """The owner ended a share: its links lead nowhere."""

    share_id: UUID
    """The share."""


@event("file.downloaded", stream=STREAM)
class FileDownloaded(FileEvent):
    """Somebody was given a short-lived URL to the bytes; whether they came for all of them, only S3 knows."""

    share_id: UUID | None
    """Null where the owner came."""
    downloads: int | None
    """The count of the share's, this one included; null where the owner came."""


@event("file.expiring", stream=STREAM)
class FileExpiring(FileEvent):
    """The file's time is over within a day, unless it is prolonged: then it is told again, in its new last day."""

    expires_at: datetime
    """When its time is over."""


@event("file.expired", stream=STREAM)
class FileExpired(FileEvent):
    """The file's time is over, or that of its upload; its bytes are removed."""

    expires_at: datetime
    """When its time was over."""


@event("file.delete_requested", stream=STREAM)
class FileDeleteRequested(FileEvent):
    """The owner deleted the file or aborted its upload: it is gone for everybody, its bytes are about to be removed."""


@event("file.deleted", stream=STREAM)
class FileDeleted(FileEvent):
    """The object is gone from storage."""
