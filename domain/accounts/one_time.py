"""Tokens that arrive by mail and work once: stored as a hash, made where the mail is made, in no event and no log."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain import secret
from domain.aggregate import Base, now


class Purpose(StrEnum):
    VERIFICATION = "verification"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose, not a password


LIFETIMES = {Purpose.VERIFICATION: timedelta(hours=24), Purpose.PASSWORD_RESET: timedelta(hours=1)}


class OneTimeToken(Base):
    __tablename__ = "one_time_tokens"
    __table_args__ = (
        CheckConstraint("purpose IN ('verification', 'password_reset')", name="purpose"),
        Index("ix_one_time_tokens_account_id", "account_id"),
        Index("ix_one_time_tokens_expires_at", "expires_at"),
    )

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 of the token, which is random enough to need no salt."""
    purpose: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @property
    def is_good(self) -> bool:
        return self.used_at is None and now() < self.expires_at

    def use(self) -> None:
        self.used_at = now()


@dataclass(frozen=True)
class Minted:
    """A new token, which only its mail tells, and what is stored of it."""

    token: str = field(repr=False)
    stored: OneTimeToken


def mint(account_id: UUID, purpose: Purpose) -> Minted:
    token, moment = secret.new(), now()
    stored = OneTimeToken(
        hash=secret.hashed(token),
        purpose=purpose,
        account_id=account_id,
        created_at=moment,
        expires_at=moment + LIFETIMES[purpose],
        used_at=None,
    )
    return Minted(token, stored)
