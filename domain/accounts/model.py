"""An account and what holds for it."""

from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.accounts import events
from domain.aggregate import Aggregate, new_id, now

NO_PASSWORD = ""
"""A hash that no password has."""


class Account(Aggregate):
    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("email IS NOT NULL OR deleted_at IS NOT NULL", name="email"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    """Lower case: two spellings of one address are one account. Null once closed: somebody else may have it then."""
    name: Mapped[str | None]
    password_hash: Mapped[str]
    verified_at: Mapped[datetime | None]
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Null: the quota that the settings give to everybody."""
    used_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """What its files take or were promised to take: a trigger counts it in the transaction that changes a file."""
    stored_files: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """How many they are."""
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """Closed for good; the row stays for its files' sake, without the person's name and address."""

    @classmethod
    def register(cls, *, email: str, name: str | None, password_hash: str) -> Self:
        address = normal_email(email)
        account = cls(
            id=new_id(),
            email=address,
            name=name,
            password_hash=password_hash,
            verified_at=None,
            quota_bytes=None,
            used_bytes=0,
            stored_files=0,
            created_at=now(),
            deleted_at=None,
        )
        account.record(events.AccountRegistered(account_id=account.id, email=address, name=name))
        return account

    @property
    def is_open(self) -> bool:
        return self.deleted_at is None

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None

    def verify(self) -> None:
        """Told once, however often it is shown."""
        if not self.is_verified:
            self.verified_at = now()
            self.record(events.AccountVerified(account_id=self.id))

    def rename(self, name: str | None) -> None:
        self.name = name

    def request_password_reset(self) -> None:
        self.record(events.PasswordResetRequested(account_id=self.id))

    def close(self) -> None:
        """Forget the person. Its sessions, tokens and files are others' to end."""
        self.deleted_at = now()
        self.email = self.name = None
        self.password_hash = NO_PASSWORD
        self.record(events.AccountDeleted(account_id=self.id))

    def has_files_left(self) -> None:
        self.record(events.AccountFilesLeft(account_id=self.id))


def normal_email(email: str) -> str:
    return email.strip().lower()
