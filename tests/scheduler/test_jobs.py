"""Each hour and each day is announced once, whoever announces it; what was missed is caught up."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from domain.schedule.events import ExpiryDue, Tick
from outbox.session import announce_once
from scheduler.jobs import DAILY, HOURLY, Job, announce
from tests.database import Database

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXPIRY, RETENTION = HOURLY[0], DAILY[0]


async def announced_at(database: Database, job: Job, moments: Iterable[datetime]) -> list[datetime]:
    """When the ticks were due that came of announcing at these moments."""
    for moment in moments:
        with time_machine.travel(moment):
            await announce(database.sessions, job)
    return [event.due_at for event in await database.recorded() if isinstance(event, job.tick)]


@pytest.mark.parametrize("job", [*HOURLY, *DAILY], ids=lambda job: job.name)
async def test_several_schedulers_announce_a_tick_once(database: Database, job: Job) -> None:
    new = await asyncio.gather(*(announce(database.sessions, job) for _ in range(4)))

    assert sorted(new) == [0, 0, 0, 1]
    assert len(await database.recorded()) == 1


async def test_a_restart_across_the_hour_announces_both_hours_once(database: Database) -> None:
    before, after = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)

    due = await announced_at(database, EXPIRY, [before, before, after, after])

    assert due == [NOON - timedelta(hours=1), NOON]


async def test_hours_that_were_missed_are_caught_up(database: Database) -> None:
    due = await announced_at(database, EXPIRY, [NOON, NOON + timedelta(hours=3, minutes=30)])

    assert due == [NOON + timedelta(hours=hours) for hours in range(4)]


async def test_hours_are_caught_up_for_a_day_at_most(database: Database) -> None:
    due = await announced_at(database, EXPIRY, [NOON, NOON + timedelta(days=40)])

    assert due == [NOON] + [NOON + timedelta(days=39, hours=hours) for hours in range(25)]


async def test_a_long_ticks_later_parts_hide_no_hour(database: Database) -> None:
    await announced_at(database, EXPIRY, [NOON, NOON + timedelta(hours=1)])
    part: Tick = ExpiryDue(due_at=NOON, part=1)
    async with database.sessions.begin() as session:
        await announce_once(session, part, event_id=part.tick_id)

    due = await announced_at(database, EXPIRY, [NOON + timedelta(hours=2)])

    assert due == [NOON + timedelta(hours=hours) for hours in (0, 1, 0, 2)]


async def test_a_clock_that_was_set_back_announces_its_own_hour(database: Database) -> None:
    due = await announced_at(database, EXPIRY, [NOON, NOON - timedelta(hours=2)])

    assert due == [NOON, NOON - timedelta(hours=2)]


async def test_a_day_does_the_work_of_those_that_were_missed(database: Database) -> None:
    moments = [NOON + timedelta(hours=hours) for hours in (-12, 11, 12, 96)]

    due = await announced_at(database, RETENTION, moments)

    assert due == [datetime(2026, 11, day, tzinfo=UTC) for day in (22, 23, 26)]
