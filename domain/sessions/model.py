"""A session, and the refresh tokens that keep it alive: each works once."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain import secret
from domain.aggregate import Base, new_id, now

LIFETIME = timedelta(days=30)
"""Of a refresh token; each refresh prolongs the session by as much."""
PREFIX = "wr_"
MAX_USER_AGENT = 200


@dataclass(frozen=True)
class Issued:
    """A refresh token as its client gets it, once."""

    token: str = field(repr=False)
    expires_at: datetime


class Session(Base):
    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_account_id", "account_id"), Index("ix_sessions_expires_at", "expires_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    user_agent: Mapped[str | None] = mapped_column(Text)
    """As the client called itself when it logged in; shown to the person, cut to 200 characters."""
    created_at: Mapped[datetime]
    refreshed_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def begin(cls, account_id: UUID, *, user_agent: str | None) -> Self:
        moment = now()
        return cls(
            id=new_id(),
            account_id=account_id,
            user_agent=_shown(user_agent),
            created_at=moment,
            refreshed_at=moment,
            expires_at=moment + LIFETIME,
            revoked_at=None,
        )

    @property
    def is_alive(self) -> bool:
        return self.revoked_at is None and now() < self.expires_at

    def prolong(self) -> None:
        self.refreshed_at = now()
        self.expires_at = self.refreshed_at + LIFETIME

    def revoke(self) -> None:
        self.revoked_at = self.revoked_at or now()


class RefreshToken(Base):
    """Stored as a hash: whoever reads the database cannot refresh."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("ix_refresh_tokens_session_id", "session_id"),
        Index("ix_refresh_tokens_expires_at", "expires_at"),
    )

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 of the token, which is random enough to need no salt."""
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @property
    def was_used(self) -> bool:
        return self.used_at is not None

    def use(self) -> None:
        self.used_at = now()


def issue(session: Session) -> tuple[Issued, RefreshToken]:
    """What the client gets, and what is stored of it; it lives as long as its session."""
    token = secret.new(PREFIX)
    stored = RefreshToken(
        hash=secret.hashed(token),
        session_id=session.id,
        created_at=session.refreshed_at,
        expires_at=session.expires_at,
        used_at=None,
    )
    return Issued(token, session.expires_at), stored


def _shown(user_agent: str | None) -> str | None:
    """On one line, and nothing that a terminal would obey."""
    printable = "".join(each for each in user_agent or "" if each.isprintable())
    return printable[:MAX_USER_AGENT] or None
