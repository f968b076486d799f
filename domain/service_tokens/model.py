"""A service token as we know it, and the keys that verify it. The token itself is shown once and kept nowhere."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base


class SigningKey(Base):
    """A public key of ours: what it has signed verifies as long as any of it is valid."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    """PASERK `k4.pid.…`."""
    paserk: Mapped[str] = mapped_column(Text)
    """PASERK `k4.public.…`."""
    created_at: Mapped[datetime]


class ServiceToken(Base):
    __tablename__ = "service_tokens"
    __table_args__ = (Index("ix_service_tokens_account_id", "account_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The token's `jti`."""
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    kid: Mapped[str] = mapped_column(ForeignKey("signing_keys.kid"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
