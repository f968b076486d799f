"""What one can ask of sessions."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.actor import Actor
from domain.aggregate import now
from domain.sessions.errors import SessionEnded
from domain.sessions.model import Session


async def session_is_alive(session: AsyncSession, session_id: UUID) -> bool:
    """Whether it was neither revoked nor has run out."""
    alive = (Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > now())
    return bool(await session.scalar(select(exists().where(*alive))))


async def living_sessions(session: AsyncSession, session_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these that were neither revoked nor have run out."""
    alive = (Session.id.in_(session_ids), Session.revoked_at.is_(None), Session.expires_at > now())
    return set(await session.scalars(select(Session.id).where(*alive)))


async def require_session(session: AsyncSession, actor: Actor) -> None:
    """Keep the actor's session from ending until the transaction does: a process may remember it for too long.

    Whoever also locks the account locks it first. Raises SessionEnded.
    """
    alive = (Session.id == actor.session_id, Session.revoked_at.is_(None), Session.expires_at > now())
    if await session.scalar(select(Session.id).where(*alive).with_for_update(read=True)) is None:
        raise SessionEnded


def own_sessions(actor: Actor, *, after: UUID | None, limit: int) -> Select[Any]:
    """The actor's living sessions, newest first: ids are made in the order of time. Raises PersonOnly."""
    owner = Session.account_id == actor.as_person().account_id
    query = select(Session).where(owner, Session.revoked_at.is_(None), Session.expires_at > now())
    if after is not None:
        query = query.where(Session.id < after)
    return query.order_by(Session.id.desc()).limit(limit)
