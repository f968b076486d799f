"""Ending what lets people and services in, all of an account's at once."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import now
from domain.service_tokens.model import ServiceToken
from domain.sessions.model import Session


async def revoke_sessions(session: AsyncSession, account_id: UUID) -> Sequence[UUID]:
    """Returns the ids of those that were not revoked yet."""
    alive = update(Session).where(Session.account_id == account_id, Session.revoked_at.is_(None))
    return (await session.scalars(alive.values(revoked_at=now()).returning(Session.id))).all()


async def revoke_service_tokens(session: AsyncSession, account_id: UUID) -> Sequence[UUID]:
    """Returns the ids of those that were not revoked yet."""
    alive = update(ServiceToken).where(ServiceToken.account_id == account_id, ServiceToken.revoked_at.is_(None))
    return (await session.scalars(alive.values(revoked_at=now()).returning(ServiceToken.id))).all()
