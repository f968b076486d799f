"""A file: its promise, its bytes' fate and the events that tell of it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Aggregate, now
from domain.event import Event
from domain.files import events, search
from domain.files.errors import FileChanged, FileGone, FileNotReady, UploadExpired, UploadNotPending
from domain.files.presentation import Content
from domain.files.promise import Place, Promise, incoming_key

CHANGEABLE = {"name": "name", "tags": "tags", "metadata": "details", "expires_at": "expires_at"}
"""Attributes, by their names outside."""
CAN_EXPIRE = "status = 'available' AND expires_at IS NOT NULL"
UNWARNED = f"{CAN_EXPIRE} AND warned_for IS DISTINCT FROM expires_at"


class Status(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    AVAILABLE = "available"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DELETED = "deleted"


WITHOUT_BYTES = frozenset({Status.REJECTED, Status.EXPIRED, Status.DELETED})
ENDED = frozenset({Status.EXPIRED, Status.DELETED})


class RejectedReason(StrEnum):
    SIZE_MISMATCH = "size_mismatch"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    OBJECT_MISSING = "object_missing"
    TOO_LARGE = "too_large"
    TYPE_NOT_ALLOWED = "type_not_allowed"


class File(Aggregate):
    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint("size >= 0", name="size"),
        CheckConstraint(
            "status IN ('pending', 'processing', 'available', 'rejected', 'expired', 'deleted')", name="status"
        ),
        *(
            Index(f"ix_files_owner_id_status_{column}", "owner_id", "status", column, "id")
            for column in ("created_at", "name_folded", "size")
        ),
        Index("ix_files_owner_id_expires_at", "owner_id", "expires_at", postgresql_where=CAN_EXPIRE),
        Index("ix_files_search", "search", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 512}),
        Index("ix_files_expires_at", "expires_at", postgresql_where=CAN_EXPIRE),
        Index("ix_files_upload_expires_at", "upload_expires_at", postgresql_where="status = 'pending'"),
        Index("ix_files_unwarned", "expires_at", postgresql_where=UNWARNED),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text(collation="C"))
    """As it is sorted and searched; its beginning, where it is very long."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes: promised until the file is available, measured from then on."""
    content_type: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(Text)
    """Hex: promised until the file is available, measured from then on."""
    received_sha256: Mapped[str | None] = mapped_column(Text)
    """Hex, computed while the bytes passed through us; null where they went straight to S3."""
    status: Mapped[str] = mapped_column(Text)
    rejected_reason: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    bucket: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    removed_at: Mapped[datetime | None]
    """When it was told that the object of a deleted file is gone."""
    upload_id: Mapped[str | None] = mapped_column(Text)
    """S3's name of the multipart upload; null where the bytes come as one object."""
    part_size: Mapped[int | None] = mapped_column(BigInteger)
    upload_expires_at: Mapped[datetime | None]
    """When a promise is over whose bytes go straight to S3."""
    version: Mapped[int]
    search: Mapped[str | None] = mapped_column(TSVECTOR, deferred=True)
    """What it is found by: name, tags and type from the beginning, its words once it is indexed."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    warned_for: Mapped[datetime | None]
    """The end of its time that `file.expiring` has told of."""

    @classmethod
    def promised(cls, promise: Promise, *, owner_id: UUID, place: Place) -> Self:
        """A file whose bytes are still to come."""
        moment = now()
        file = cls(
            id=place.file_id,
            owner_id=owner_id,
            name=promise.name,
            size=promise.size,
            content_type=promise.content_type,
            sha256=promise.sha256,
            received_sha256=None,
            status=Status.PENDING,
            rejected_reason=None,
            tags=list(promise.tags),
            details=dict(promise.metadata),
            bucket=place.bucket,
            key=place.key,
            removed_at=None,
            upload_id=place.upload_id,
            part_size=place.part_size,
            upload_expires_at=place.open_until,
            version=1,
            created_at=moment,
            updated_at=moment,
            expires_at=promise.expires_at,
            warned_for=None,
        )
        file._describe(with_words=False)
        return file

    @property
    def is_available(self) -> bool:
        return self.status == Status.AVAILABLE and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether its time has run out, be it noted in the status or not."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def is_pending(self) -> bool:
        return self.status == Status.PENDING

    @property
    def is_abandoned(self) -> bool:
        """Whether its bytes are awaited no longer, be it noted in the status or not."""
        return self.is_pending and self.upload_expires_at is not None and self.upload_expires_at <= now()

    @property
    def is_processing(self) -> bool:
        return self.status == Status.PROCESSING

    @property
    def came_through_us(self) -> bool:
        return self.received_sha256 is not None

    @property
    def is_within_reach(self) -> bool:
        """Whether a client may still write where the bytes lie."""
        return self.key == incoming_key(self.id)

    @property
    def needs_no_bytes(self) -> bool:
        return self.status in WITHOUT_BYTES

    def may_need(self, key: str) -> bool:
        """Whether an object is this file's, or may become so: until it is final, any attempt's copy may."""
        return not self.needs_no_bytes and (self.status != Status.AVAILABLE or self.key == key)

    def awaits(self, upload_id: str) -> bool:
        """Whether a multipart upload is the one that its bytes come by."""
        return self.upload_id == upload_id and self.status in {Status.PENDING, Status.PROCESSING}

    def bytes_arrived(self, *, received_sha256: str | None = None) -> None:
        self.require_open_upload()
        self.received_sha256 = received_sha256
        self._become(Status.PROCESSING, events.FileUploaded)

    def prolong_upload(self, until: datetime) -> None:
        """Whoever goes on with an upload has time for it again."""
        self.require_open_upload()
        self.upload_expires_at = until

    def restart_upload(self, upload_id: str, *, lost: str) -> None:
        self.require_open_upload()
        if self.upload_id == lost:
            self.upload_id = upload_id

    def abort_upload(self) -> None:
        """Changes nothing when done again. Raises UploadNotPending where the bytes have come."""
        if self.status not in ENDED:
            self._require_pending()
            self._become(Status.DELETED, events.FileDeleteRequested)

    def abandon_upload(self) -> None:
        """Nobody has completed it in time."""
        self._require_pending()
        self._become(Status.EXPIRED, events.FileExpired, expires_at=self.upload_expires_at)

    def bytes_still_there(self) -> None:
        """Told again, where nobody is finalizing them any more."""
        self._become(Status.PROCESSING, events.FileUploaded)

    def moved_to(self, key: str) -> None:
        self.key = key

    def verified(self, *, sha256: str, content_type: str) -> None:
        self.sha256, self.content_type = sha256, content_type
        self._describe(with_words=False)
        self._become(Status.AVAILABLE, events.FileAvailable)

    def reject(self, reason: RejectedReason) -> None:
        self.rejected_reason = reason
        self._become(Status.REJECTED, events.FileRejected, reason=str(reason))

    def index(self) -> None:
        self._describe(with_words=True)
        self._tell(events.FileIndexed)

    def update(self, changes: Mapping[str, Any]) -> None:
        """By the names of the contract; a time that is past ends now. Raises FileGone, FileNotReady."""
        self.require_changeable()
        changed = [name for name, value in changes.items() if getattr(self, CHANGEABLE[name]) != value]
        if not changed:
            return
        for name in changed:
            setattr(self, CHANGEABLE[name], changes[name])
        self._describe(with_words=self.status == Status.AVAILABLE)
        self._become(Status(self.status), events.FileUpdated, changed=changed)
        self.expire_if_over()

    def warn(self) -> None:
        """Told once for each end that its time was given."""
        if self.warned_for != self.expires_at:
            self.warned_for = self.expires_at
            self._tell(events.FileExpiring, expires_at=self.expires_at)

    def expire_if_over(self) -> None:
        if self.status == Status.AVAILABLE and self.is_over:
            self.expire()

    def shared(self, **share: Any) -> None:
        """With what `file.shared` says of the share."""
        self._tell(events.FileShared, **share)

    def share_revoked(self, *, share_id: UUID) -> None:
        self._tell(events.FileShareRevoked, share_id=share_id)

    def expire(self) -> None:
        self._become(Status.EXPIRED, events.FileExpired, expires_at=self.expires_at)

    def delete(self) -> None:
        self.require_existence()
        self._become(Status.DELETED, events.FileDeleteRequested)

    def object_removed(self) -> None:
        """Told once, however often the object is removed."""
        if self.status == Status.DELETED and self.removed_at is None:
            self.removed_at = now()
            self._tell(events.FileDeleted)

    def require_version(self, versions: Collection[int] | None) -> None:
        """Raises FileChanged where it is at none of these; None stands for all."""
        if versions is not None and self.version not in versions:
            raise FileChanged(version=self.version)

    def require_existence(self) -> None:
        """Raises FileGone. What is over may still be deleted."""
        if self.status in ENDED:
            raise FileGone

    def require_open_upload(self) -> None:
        """Raises FileGone, UploadNotPending, UploadExpired."""
        self.require_existence()
        self._require_pending()
        if self.is_abandoned:
            raise UploadExpired

    def _require_pending(self) -> None:
        if not self.is_pending:
            raise UploadNotPending(file_status=self.status)

    def require_changeable(self) -> None:
        """Raises FileGone, or FileNotReady where it was rejected."""
        self.require_existence()
        if self.status == Status.AVAILABLE and self.is_over:
            raise FileGone
        if self.status == Status.REJECTED:
            raise FileNotReady(file_status=self.status)

    def content(self) -> Content:
        """What can be downloaded. Raises FileGone, FileNotReady."""
        self.require_content()
        return Content(self.name, self.content_type, self.key, self.expires_at)

    def require_content(self) -> None:
        """Raises FileGone or FileNotReady where there is nothing to download."""
        if self.status in ENDED or self.is_over:
            raise FileGone
        if self.status != Status.AVAILABLE:
            raise FileNotReady(file_status=self.status)

    def _describe(self, *, with_words: bool) -> None:
        self.name_folded = search.fold(self.name)
        self.search = search.filters(self.owner_id, self.name, self.tags, self.content_type)
        if with_words:
            self.search += " " + search.ranked(self.owner_id, self.name, self.tags, self.details)

    def _become(self, status: Status, event_type: type[events.FileEvent], **more: Any) -> None:
        self.status = status
        self.version += 1
        self.updated_at = now()
        self._tell(event_type, **more)

    def _tell(self, event_type: type[events.FileEvent], **more: Any) -> None:
        told: Event = event_type(
            file_id=self.id,
            owner_id=self.owner_id,
            name=self.name,
            size=self.size,
            content_type=self.content_type,
            sha256=self.sha256,
            version=self.version,
            **more,
        )
        self.record(told)
