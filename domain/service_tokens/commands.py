"""What one can do to service tokens. Only a person can: a token makes no others."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.errors import AccountClosed
from domain.accounts.model import Account
from domain.actor import Actor, Scope
from domain.aggregate import now
from domain.errors import Invalid
from domain.service_tokens.model import (
    NoEventReader,
    ServiceToken,
    ServiceTokenNotFound,
    SigningKey,
    SigningKeyRetired,
    TooManyServiceTokens,
    is_living,
)
from domain.sessions.queries import require_session

DEFAULT_LIFETIME = timedelta(days=90)
MAX_LIFETIME = timedelta(days=366)
MAX_LIVING = 100
"""Of an account, at a time."""


@dataclass(frozen=True, kw_only=True)
class RegisterKey:
    """PASERKs of a public key: `k4.pid.…` and `k4.public.…`."""

    kid: str
    paserk: str


@dataclass(frozen=True, kw_only=True)
class CreateServiceToken:
    """`kid` is the key that will sign it."""

    name: str
    scopes: frozenset[Scope]
    kid: str
    expires_at: datetime | None = None
    event_readers: frozenset[str] = frozenset()
    """Addresses whose accounts may read everybody's events; where none is named, all may."""


@dataclass(frozen=True, kw_only=True)
class RevokeServiceToken:
    token_id: UUID


async def register_key(session: AsyncSession, command: RegisterKey) -> None:
    """Once: what a key has signed can be verified as long as any of it lives, also when the key is replaced."""
    values = {"kid": command.kid, "paserk": command.paserk, "created_at": now()}
    await session.execute(insert(SigningKey).values(values).on_conflict_do_nothing())


async def create_service_token(session: AsyncSession, actor: Actor, command: CreateServiceToken) -> ServiceToken:
    """Make a token, which its key has to sign yet.

    Raises PersonOnly, AccountClosed, SessionEnded, Invalid, NoEventReader, TooManyServiceTokens, SigningKeyRetired.
    """
    account_id = actor.as_person().account_id
    moment = now()
    expires_at = command.expires_at or moment + DEFAULT_LIFETIME
    if not timedelta(0) < expires_at - moment <= MAX_LIFETIME:
        raise Invalid(f"must be in the future, within {MAX_LIFETIME.days} days", field="expires_at")
    if not command.scopes:
        raise Invalid("must name a scope", field="scopes")
    living = await _living(session, account_id)
    await require_session(session, actor)
    if Scope.EVENTS_READ in command.scopes and command.event_readers:
        await _require_reader(session, account_id, command.event_readers)
    if living >= MAX_LIVING:
        raise TooManyServiceTokens
    await _require_in_use(session, command.kid)
    token = ServiceToken.create(
        account_id=account_id, name=command.name, scopes=command.scopes, kid=command.kid, expires_at=expires_at
    )
    session.add(token)
    return token


async def revoke_service_token(session: AsyncSession, actor: Actor, command: RevokeServiceToken) -> ServiceToken:
    """Changes nothing when done again. Raises PersonOnly, ServiceTokenNotFound."""
    actor.as_person()
    token = await session.get(ServiceToken, command.token_id, with_for_update=True)
    if token is None or not actor.owns(token.account_id):
        raise ServiceTokenNotFound
    token.revoke()
    return token


async def retire_all_but(session: AsyncSession, kid: str) -> None:
    """Every other key than this one, with all that it has signed: somebody else may sign with it too.

    First the keys: whoever is making a token holds its key, and is waited for.
    """
    keys = update(SigningKey).where(SigningKey.kid != kid, SigningKey.retired_at.is_(None))
    await session.execute(keys.values(retired_at=now()))
    tokens = update(ServiceToken).where(ServiceToken.kid != kid, ServiceToken.revoked_at.is_(None))
    await session.execute(tokens.values(revoked_at=now()))


async def _require_reader(session: AsyncSession, account_id: UUID, readers: frozenset[str]) -> None:
    """Whoever only says that an address is theirs is nobody yet. Raises NoEventReader."""
    account = await session.get_one(Account, account_id)
    if not account.is_verified or account.email not in readers:
        raise NoEventReader


async def _require_in_use(session: AsyncSession, kid: str) -> None:
    """Keep the key from being retired until the transaction ends. Raises SigningKeyRetired."""
    found = select(SigningKey.kid).where(SigningKey.kid == kid, SigningKey.retired_at.is_(None))
    if await session.scalar(found.with_for_update(read=True)) is None:
        raise SigningKeyRetired


async def _living(session: AsyncSession, account_id: UUID) -> int:
    """Counted under a lock on the account: of two who come at once, the second counts the first one's token too."""
    account = select(Account.id).where(Account.id == account_id, Account.deleted_at.is_(None))
    if await session.scalar(account.with_for_update()) is None:
        raise AccountClosed
    query = select(func.count()).select_from(ServiceToken).where(ServiceToken.account_id == account_id, is_living())
    return await session.scalar(query) or 0
