"""The process: it announces at once and each hour, loses no tick to Postgres, and stops when told."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from sqlalchemy import text

from domain.schedule.events import ExpiryDue, ReconciliationDue, RetentionDue, Tick, UploadsCleanupDue
from infra.connection import DatabaseUnreachable
from infra.settings import Settings
from outbox.session import Sessions
from scheduler import app
from scheduler.jobs import Job, announce
from tests.database import Database

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"
BEFORE_ONE = datetime(2026, 11, 22, 0, 59, 59, tzinfo=UTC)
AFTER_ONE = datetime(2026, 11, 22, 1, 0, 1, tzinfo=UTC)
TICKS: set[type[Tick]] = {ExpiryDue, UploadsCleanupDue, RetentionDue, ReconciliationDue}
Schedule = Callable[[int], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once, and no process of ours ended by a timer."""
    monkeypatch.setattr(app, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(app, "end_within", lambda _: None)


@pytest.fixture
def schedule(settings: Settings, database: Database) -> Schedule:
    """Run a scheduler until there are so many ticks, then stop it cleanly."""

    async def run(ticks: int) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(app.run(settings.database_url, stop))
        async with asyncio.timeout(20):
            while len(await database.recorded()) < ticks:  # noqa: ASYNC110 - the scheduler sets no event of ours
                await asyncio.sleep(0.01)
            stop.set()
            await running

    return run


async def hours(database: Database, tick: type[Tick]) -> Sequence[int]:
    return [event.due_at.hour for event in await database.recorded() if isinstance(event, tick)]


async def test_it_announces_at_once_and_stops_when_told(schedule: Schedule, database: Database) -> None:
    await schedule(4)

    assert {type(event) for event in await database.recorded()} == TICKS


@pytest.mark.parametrize("schedulers", [1, 2])
async def test_the_hour_is_announced_when_it_begins(schedule: Schedule, database: Database, schedulers: int) -> None:
    with time_machine.travel(BEFORE_ONE, tick=True):
        await asyncio.gather(*(schedule(6) for _ in range(schedulers)))

    found = {tick: await hours(database, tick) for tick in TICKS}
    assert found == {ExpiryDue: [0, 1], UploadsCleanupDue: [0, 1], RetentionDue: [0], ReconciliationDue: [0]}


async def test_a_restart_right_after_the_hour_announces_each_hour_once(schedule: Schedule, database: Database) -> None:
    with time_machine.travel(BEFORE_ONE, tick=False):
        await schedule(4)
    for _ in range(2):
        with time_machine.travel(AFTER_ONE, tick=True):
            await asyncio.gather(schedule(6), schedule(6))

    assert await hours(database, ExpiryDue) == [0, 1]
    assert len(await database.recorded()) == 6


async def test_an_hour_that_begins_while_the_last_is_announced_is_announced_too(
    schedule: Schedule, database: Database
) -> None:
    with time_machine.travel(BEFORE_ONE, tick=True):
        async with database.engine.begin() as other:
            await other.execute(text("LOCK TABLE outbox IN EXCLUSIVE MODE"))
            running = asyncio.create_task(schedule(6))
            await asyncio.sleep((AFTER_ONE - BEFORE_ONE).total_seconds())
        await running

    assert await hours(database, ExpiryDue) == [0, 1]


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the hours of the clock on the wall begin at half past ours."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


async def test_hours_are_those_of_utc_wherever_the_machine_stands(
    far_away: None, schedule: Schedule, database: Database
) -> None:
    with time_machine.travel(BEFORE_ONE.timestamp(), tick=True):
        await schedule(6)

    assert await hours(database, ExpiryDue) == [0, 1]


async def test_a_tick_is_announced_when_postgres_is_back(
    schedule: Schedule, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(range(12))

    async def away_at_first(sessions: Sessions, job: Job) -> int:
        if next(failures, None) is not None:
            raise DatabaseUnreachable("away")
        return await announce(sessions, job)

    monkeypatch.setattr(app, "announce", away_at_first)
    await schedule(4)

    assert len(await database.recorded()) == 4


async def test_a_stop_does_not_wait_for_postgres() -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(NOWHERE, stop))
    await asyncio.sleep(0)

    stop.set()

    await asyncio.wait_for(running, 5)
