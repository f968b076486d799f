"""What routes may ask for by name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide
from sqlalchemy.ext.asyncio import AsyncSession

from domain.actor import Actor
from infra.settings import Settings
from infra.storage import Storage


def actor(request: Request[Actor, Any, State]) -> Actor:
    """Who is asking; only on routes that are not public."""
    return request.user


def transaction(request: Request[Any, Any, State]) -> AsyncSession:
    """The session of this request: whoever opened it commits it."""
    session: AsyncSession = request.scope["state"]["session"]
    return session


@asynccontextmanager
async def released_if_refused(session: AsyncSession) -> AsyncIterator[None]:
    """Whoever waits for a lock of ours need not wait, too, for what is undone in S3."""
    try:
        yield
    except BaseException:
        await session.rollback()
        raise


def storage(state: State) -> Storage:
    found: Storage = state.storage
    return found


def settings(state: State) -> Settings:
    found: Settings = state.settings
    return found


DEPENDENCIES = {
    provider.__name__: Provide(provider, sync_to_thread=False) for provider in (actor, transaction, storage, settings)
}
