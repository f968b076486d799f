"""A share of a file, the tokens that lead to it and the people who are sent one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain import secret
from domain.accounts.model import normal_email
from domain.aggregate import Base, new_id, now
from domain.shares.errors import ShareExpired, ShareNotFound, ShareUsedUp

PREFIX = "ws_"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for a share; `password_hash` is of `passwords.hashed_as_given`."""

    expires_at: datetime | None = None
    max_downloads: int | None = None
    password_hash: str | None = field(default=None, repr=False)
    message: str | None = None
    """For the recipients."""


class Share(Base):
    __tablename__ = "shares"
    __table_args__ = (
        CheckConstraint("downloads >= 0 AND (max_downloads IS NULL OR downloads <= max_downloads)", name="downloads"),
        Index("ix_shares_file_id", "file_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("files.id"))
    password_hash: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    max_downloads: Mapped[int | None] = mapped_column(Integer)
    downloads: Mapped[int] = mapped_column(Integer)
    """Counted by `outbox/downloads.py`, in the statement that lets somebody download."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def of(cls, file_id: UUID, terms: Terms) -> Self:
        return cls(
            id=new_id(),
            file_id=file_id,
            password_hash=terms.password_hash,
            message=terms.message,
            max_downloads=terms.max_downloads,
            downloads=0,
            created_at=now(),
            expires_at=terms.expires_at,
            revoked_at=None,
        )

    @property
    def has_password(self) -> bool:
        return self.password_hash is not None

    @property
    def downloads_left(self) -> int | None:
        return None if self.max_downloads is None else self.max_downloads - self.downloads

    def require_open(self) -> None:
        """Raises ShareNotFound, ShareExpired, ShareUsedUp. Its file may be gone all the same."""
        if self.revoked_at is not None:
            raise ShareNotFound
        if self.expires_at is not None and self.expires_at <= now():
            raise ShareExpired
        if self.downloads_left == 0:
            raise ShareUsedUp

    def revoke(self) -> bool:
        """For good. Returns whether it was not revoked before."""
        if self.revoked_at is not None:
            return False
        self.revoked_at = now()
        return True


class ShareToken(Base):
    """Stored as a hash: whoever reads the database cannot download. Each mail has one of its own."""

    __tablename__ = "share_tokens"
    __table_args__ = (Index("ix_share_tokens_share_id", "share_id"),)

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 of the token, which is random enough to need no salt."""
    share_id: Mapped[UUID] = mapped_column(ForeignKey("shares.id", ondelete="CASCADE"))


class ShareRecipient(Base):
    """Somebody who is sent a link; forgotten when the file is gone."""

    __tablename__ = "share_recipients"

    share_id: Mapped[UUID] = mapped_column(ForeignKey("shares.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    """Which of the share's, from 0."""
    email: Mapped[str] = mapped_column(Text)
    mailed_at: Mapped[datetime | None]
    """When a mail server took the mail."""


@dataclass(frozen=True)
class Minted:
    """A new token, shown to whoever shares or mailed to whom it is shared with, and what is stored of it."""

    token: str = field(repr=False)
    stored: ShareToken


def mint(share_id: UUID) -> Minted:
    token = secret.new(PREFIX)
    return Minted(token, ShareToken(hash=secret.hashed(token), share_id=share_id))


def recipients_of(share_id: UUID, emails: Iterable[str]) -> list[ShareRecipient]:
    """Each address once."""
    addresses = dict.fromkeys(map(normal_email, emails))
    return [
        ShareRecipient(share_id=share_id, number=number, email=email, mailed_at=None)
        for number, email in enumerate(addresses)
    ]
