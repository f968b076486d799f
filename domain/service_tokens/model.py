"""A service token as we know it, and the keys that verify it. The token itself is shown once and kept nowhere."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, Text, and_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from domain.actor import Scope
from domain.aggregate import Base, new_id, now
from domain.errors import Busy, Conflict, Forbidden, NotFound


class ServiceTokenNotFound(NotFound):
    """There is no such service token, or it is not yours."""

    slug = "service-token-not-found"


class TooManyServiceTokens(Conflict):
    """There are too many service tokens; revoke some first."""

    slug = "too-many-service-tokens"


class NoEventReader(Forbidden):
    """Everybody's events are for those whom the operator has named."""

    slug = "no-event-reader"


class SigningKeyRetired(Busy):
    """The key that signs is being replaced; try again shortly."""

    slug = "signing-key-retired"


class SigningKey(Base):
    """A public key of ours: what it has signed verifies as long as any of it is valid."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    """PASERK `k4.pid.…`."""
    paserk: Mapped[str] = mapped_column(Text)
    """PASERK `k4.public.…`."""
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    """Since when nothing that it has signed is ours: it has leaked."""


class ServiceToken(Base):
    __tablename__ = "service_tokens"
    __table_args__ = (Index("ix_service_tokens_account_id", "account_id"), Index("ix_service_tokens_kid", "kid"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The token's `jti`."""
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    kid: Mapped[str] = mapped_column(ForeignKey("signing_keys.kid"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def create(cls, *, account_id: UUID, name: str, scopes: Iterable[Scope], kid: str, expires_at: datetime) -> Self:
        return cls(
            id=new_id(),
            account_id=account_id,
            name=name,
            scopes=sorted(scopes),
            kid=kid,
            created_at=now(),
            expires_at=expires_at.astimezone(UTC).replace(microsecond=0),
            revoked_at=None,
        )

    def revoke(self) -> None:
        """For good; the first time counts."""
        self.revoked_at = self.revoked_at or now()


def is_living() -> ColumnElement[bool]:
    return and_(ServiceToken.revoked_at.is_(None), ServiceToken.expires_at > now())
