from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from domain.accounts.model import Account
from domain.event import Event
from tests.database import Database
from tests.factories import an_account

Handle = Callable[..., Coroutine[Any, Any, None]]


@pytest.fixture
async def owner(database: Database) -> Account:
    return await database.save(an_account())


@pytest.fixture
def handle(database: Database) -> Handle:
    """Run an effect as a worker does: in a transaction that commits if it returns."""

    async def run(effect: Callable[..., Awaitable[None]], event: Event, *resources: object) -> None:
        async with database.session() as session:
            await effect(session, event, *resources)
            await session.commit()

    return run
