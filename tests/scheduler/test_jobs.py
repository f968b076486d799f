"""Each hour and each day is announced once, whoever announces it."""

import asyncio
from datetime import UTC, datetime

import time_machine

from domain.schedule.events import ExpiryDue, RetentionDue
from scheduler.jobs import announce_expiry, announce_retention
from tests.database import Database


async def test_two_schedulers_announce_an_hour_once(database: Database) -> None:
    first = await asyncio.gather(*(announce_expiry(database.sessions) for _ in range(4)))

    assert sorted(first) == [False, False, False, True]
    assert len(await database.recorded()) == 1


async def test_a_restart_across_the_hour_announces_both_hours_once(database: Database) -> None:
    for moment in ((0, 59, 59), (0, 59, 59), (1, 0, 1)):
        with time_machine.travel(datetime(2026, 11, 22, *moment, tzinfo=UTC)):
            await announce_expiry(database.sessions)

    ticks = [event.due_at.hour for event in await database.recorded() if isinstance(event, ExpiryDue)]
    assert ticks == [0, 1]


async def test_a_day_is_announced_once_however_often_the_scheduler_starts(database: Database) -> None:
    for moment in ((22, 0, 0, 1), (22, 23, 59, 59), (23, 0, 0, 1), (26, 12, 0, 0)):
        with time_machine.travel(datetime(2026, 11, *moment, tzinfo=UTC)):
            await announce_retention(database.sessions)

    days = [event.due_at for event in await database.recorded() if isinstance(event, RetentionDue)]
    assert days == [datetime(2026, 11, day, tzinfo=UTC) for day in (22, 23, 26)]
