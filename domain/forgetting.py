"""Credentials that ran out long ago are forgotten."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.one_time import OneTimeToken
from domain.sessions.model import RefreshToken, Session

BATCH = 5000
"""Of each kind in one transaction."""


async def forget_credentials(session: AsyncSession, *, before: datetime) -> int:
    """Forget a batch of sessions, and of refresh and one-time tokens, that expired before a time. Returns how many."""
    forgotten = 0
    for kind, key in ((OneTimeToken, OneTimeToken.hash), (RefreshToken, RefreshToken.hash), (Session, Session.id)):
        old = select(key).where(kind.expires_at < before).order_by(kind.expires_at).limit(BATCH)
        batch = delete(kind).where(key.in_(old.with_for_update(skip_locked=True)))
        result = await session.execute(batch.execution_options(synchronize_session=False))
        forgotten += result.rowcount  # type: ignore[attr-defined]
    return forgotten
