"""Tokens that arrive by mail and work once: stored as a hash, made where the mail is made, in no event and no log."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base


class Purpose(StrEnum):
    VERIFICATION = "verification"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose, not a password


class OneTimeToken(Base):
    __tablename__ = "one_time_tokens"
    __table_args__ = (
        CheckConstraint("purpose IN ('verification', 'password_reset')", name="purpose"),
        Index("ix_one_time_tokens_account_id", "account_id"),
    )

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 of the token, which is random enough to need no salt."""
    purpose: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
