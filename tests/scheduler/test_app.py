"""A tick is not lost to a Postgres that is away, and a stop does not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.schedule.events import ExpiryDue, RetentionDue
from infra.database import DatabaseUnreachable
from infra.settings import Settings
from outbox.session import Sessions
from scheduler import app, jobs
from tests.database import Database

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once, and no process of ours ended by a timer."""
    monkeypatch.setattr(app, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(app, "end_within", lambda _: None)


async def test_it_announces_at_once_and_stops_when_told(settings: Settings, database: Database) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(settings.database_url, stop))
    while len(await database.recorded()) < 2:  # noqa: ASYNC110 - the scheduler sets no event of ours
        await asyncio.sleep(0.01)

    stop.set()
    await asyncio.wait_for(running, 5)

    assert {type(event) for event in await database.recorded()} == {ExpiryDue, RetentionDue}


async def test_a_tick_is_announced_when_postgres_is_back(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce: Callable[[Sessions], Awaitable[bool]] = jobs.announce_expiry
    stop, failures = asyncio.Event(), iter(range(3))

    async def away_three_times(sessions: Sessions) -> bool:
        if next(failures, None) is not None:
            raise DatabaseUnreachable("away")
        stop.set()
        return await announce(sessions)

    monkeypatch.setattr(app, "announce_expiry", away_three_times)
    await asyncio.wait_for(app.run(settings.database_url, stop), 10)

    assert [event for event in await database.recorded() if isinstance(event, ExpiryDue)]


async def test_a_stop_does_not_wait_for_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(NOWHERE, stop))
    await asyncio.sleep(0)

    stop.set()

    await asyncio.wait_for(running, 5)
