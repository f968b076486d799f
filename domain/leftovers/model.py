"""A leftover: an object or an unfinished upload that is to be removed from S3."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID, uuid5

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Aggregate, now
from domain.leftovers import events


class Reason(StrEnum):
    NO_FILE = "no_file"
    NOT_NEEDED = "not_needed"


class Leftover(Aggregate):
    """While the row is there, no file of this id can come to be."""

    __tablename__ = "leftovers"
    __table_args__ = (
        Index("ix_leftovers_file_id", "file_id"),
        Index("ix_leftovers_unremoved", "found_at", postgresql_where="removed_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    file_id: Mapped[UUID]
    bucket: Mapped[str]
    key: Mapped[str]
    upload_id: Mapped[str | None]
    """S3's name of a multipart upload; null where it is an object."""
    size: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str]
    found_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]

    @classmethod
    def found(cls, *, file_id: UUID, bucket: str, key: str, upload_id: str | None, size: int | None, mark: str) -> Self:
        """What is found twice has one id; `mark` tells it from what may lie under the same key another time."""
        return cls(
            id=uuid5(file_id, f"{bucket}/{key}@{mark}"),
            file_id=file_id,
            bucket=bucket,
            key=key,
            upload_id=upload_id,
            size=size,
            reason=Reason.NO_FILE,
            found_at=now(),
            removed_at=None,
        )

    def removed(self) -> None:
        """Told once, however often it is removed."""
        if self.removed_at is not None:
            return
        self.removed_at = now()
        place: dict[str, Any] = {"file_id": self.file_id, "bucket": self.bucket, "key": self.key, "reason": self.reason}
        if self.upload_id is not None:
            self.record(events.UploadAborted(**place))
        else:
            self.record(events.ObjectRemoved(**place, size=self.size or 0))
