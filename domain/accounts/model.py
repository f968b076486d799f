"""An account and what holds for it."""

from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from domain.accounts.events import AccountRegistered
from domain.aggregate import Aggregate, new_id, now
from domain.errors import Conflict, Unauthenticated


class EmailTaken(Conflict):
    """There is an account with this address already."""

    slug = "email-taken"


class WrongCredentials(Unauthenticated):
    """The address or the password is wrong."""

    slug = "wrong-credentials"


class Account(Aggregate):
    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    """Lower case: two spellings of one address are one account."""
    name: Mapped[str | None]
    password_hash: Mapped[str]
    verified_at: Mapped[datetime | None]
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Null: the quota that the settings give to everybody."""
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """Closed for good; the row stays for its files' sake, without the person's name and address."""

    @classmethod
    def register(cls, *, email: str, name: str | None, password_hash: str) -> Self:
        account = cls(
            id=new_id(),
            email=normal_email(email),
            name=name,
            password_hash=password_hash,
            verified_at=None,
            quota_bytes=None,
            created_at=now(),
            deleted_at=None,
        )
        account.record(AccountRegistered(account_id=account.id, email=account.email, name=name))
        return account


def normal_email(email: str) -> str:
    return email.strip().lower()
