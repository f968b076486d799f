"""What one can do to sessions."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import secret
from domain.accounts.commands import authenticate
from domain.actor import Actor
from domain.aggregate import now
from domain.sessions.errors import BadRefreshToken, RefreshTokenReused, SessionNotFound
from domain.sessions.model import Issued, RefreshToken, Session, issue


@dataclass(frozen=True, kw_only=True)
class LogIn:
    email: str
    password: str = field(repr=False)
    user_agent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Refresh:
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class EndSession:
    session_id: UUID


@dataclass(frozen=True)
class LoggedIn:
    session: Session
    refresh_token: Issued


async def log_in(session: AsyncSession, command: LogIn) -> LoggedIn:
    """Raises WrongCredentials."""
    account = await authenticate(session, command.email, command.password)
    begun = Session.begin(account.id, user_agent=command.user_agent)
    session.add(begun)
    await session.flush()  # what refers to it comes after it
    return _prolonged(session, begun)


async def refresh(session: AsyncSession, command: Refresh) -> LoggedIn:
    """A new refresh token for a used one: of two at once, one wins.

    Raises:
        BadRefreshToken: if there is no such token or its session has ended.
        RefreshTokenReused: if it was used before; the session is revoked, and that stands.

    """
    known = select(RefreshToken).where(RefreshToken.hash == secret.hashed(command.token))
    token = await session.scalar(known.with_for_update())
    if token is None:
        raise BadRefreshToken
    found = await session.get_one(Session, token.session_id, with_for_update=True)
    if not found.is_alive or token.expires_at <= now():
        raise BadRefreshToken
    if token.was_used:
        found.revoke()
        await session.flush()
        raise RefreshTokenReused(found.id)
    token.use()
    found.prolong()
    return _prolonged(session, found)


async def end_session(session: AsyncSession, actor: Actor, command: EndSession) -> None:
    """Raises SessionNotFound, PersonOnly."""
    person = actor.as_person()
    found = await session.get(Session, command.session_id, with_for_update=True)
    if found is None or not person.owns(found.account_id) or not found.is_alive:
        raise SessionNotFound
    found.revoke()


def _prolonged(session: AsyncSession, logged_in: Session) -> LoggedIn:
    issued, stored = issue(logged_in)
    session.add(stored)
    return LoggedIn(logged_in, issued)
