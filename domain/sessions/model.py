"""A session, and the refresh tokens that keep it alive: each works once."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base

LIFETIME = timedelta(days=30)
"""Of a refresh token; each refresh prolongs the session by as much."""


class Session(Base):
    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_account_id", "account_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    user_agent: Mapped[str | None] = mapped_column(Text)
    """As the client called itself when it logged in; shown to the person, cut to 200 characters."""
    created_at: Mapped[datetime]
    refreshed_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class RefreshToken(Base):
    """Stored as a hash: whoever reads the database cannot refresh."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index("ix_refresh_tokens_session_id", "session_id"),)

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 of the token, which is random enough to need no salt."""
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
