"""What one can ask of service tokens and of the keys that verify them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.model import Account
from domain.actor import Actor
from domain.service_tokens.model import ServiceToken, ServiceTokenNotFound, SigningKey, is_living


async def own_service_token(session: AsyncSession, actor: Actor, token_id: UUID) -> ServiceToken:
    """Raises PersonOnly, ServiceTokenNotFound."""
    actor.as_person()
    token = await session.get(ServiceToken, token_id)
    if token is None or not actor.owns(token.account_id):
        raise ServiceTokenNotFound
    return token


def own_service_tokens(actor: Actor, *, after: UUID | None, limit: int) -> Select[Any]:
    """The actor's, newest first, also those that are over; `after` is the last one of the page before."""
    query = select(ServiceToken).where(ServiceToken.account_id == actor.as_person().account_id)
    if after is not None:
        query = query.where(ServiceToken.id < after)
    return query.order_by(ServiceToken.id.desc()).limit(limit)


async def living_token(session: AsyncSession, token_id: UUID) -> ServiceToken | None:
    """The token, if it is neither revoked nor expired, its key not retired, and its account still open."""
    found: ServiceToken | None = await session.scalar(_living(select(ServiceToken)).where(ServiceToken.id == token_id))
    return found


async def living_tokens(session: AsyncSession, token_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these of which the same is true."""
    return set(await session.scalars(_living(select(ServiceToken.id)).where(ServiceToken.id.in_(token_ids))))


def _living(query: Select[Any]) -> Select[Any]:
    return (
        query.join(Account, Account.id == ServiceToken.account_id)
        .join(SigningKey, SigningKey.kid == ServiceToken.kid)
        .where(is_living(), Account.deleted_at.is_(None), SigningKey.retired_at.is_(None))
    )


async def all_keys(session: AsyncSession) -> Sequence[SigningKey]:
    """Of those that are not retired."""
    return (await session.scalars(select(SigningKey).where(SigningKey.retired_at.is_(None)))).all()


@dataclass(frozen=True)
class KeyUsage:
    """A key, and how many of its tokens live until when."""

    kid: str
    created_at: datetime | None
    living: int
    last_expiry: datetime | None


async def key_usage(session: AsyncSession) -> list[KeyUsage]:
    """Of every key there has been, the newest first."""
    query = (
        select(SigningKey.kid, SigningKey.created_at, func.count(ServiceToken.id), func.max(ServiceToken.expires_at))
        .outerjoin(ServiceToken, and_(ServiceToken.kid == SigningKey.kid, is_living()))
        .group_by(SigningKey.kid)
        .order_by(SigningKey.created_at.desc(), SigningKey.kid)
    )
    return [KeyUsage(*row) for row in await session.execute(query)]


async def published_keys(session: AsyncSession, *, current: str) -> Sequence[SigningKey]:
    """The newest first: the key of this id, which signs, and every one of which a token lives; none that is retired."""
    signed = exists().where(ServiceToken.kid == SigningKey.kid, is_living())
    query = select(SigningKey).where(SigningKey.retired_at.is_(None), or_(SigningKey.kid == current, signed))
    return (await session.scalars(query.order_by(SigningKey.created_at.desc(), SigningKey.kid))).all()
