"""Ends that are noted together: each is told what became of its own."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.ends import Ends
from domain.files.events import FileUploaded
from infra.driver import Driver
from outbox.delivery import LeaseLost, Policy, Ticket
from outbox.taking import take_due
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, publish, read
from tests.database import Database
from tests.factories import a_file_uploaded

REFUSE_THE_SECOND = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$
"""
BY_A_TRIGGER = """
CREATE TRIGGER refuse BEFORE UPDATE ON deliveries FOR EACH ROW WHEN (NEW.position = 2) EXECUTE FUNCTION refuse()
"""
STATES = "SELECT position, state FROM deliveries ORDER BY position"


async def no_op(session: AsyncSession, event: FileUploaded) -> None:
    """Nothing."""


@pytest.fixture
def ends(database: Database) -> Ends:
    return Ends(Driver.of(database.sessions))


@pytest.fixture
async def tickets(make_worker: MakeWorker, database: Database, redis: Redis) -> list[Ticket]:
    """Of three deliveries that are running."""
    worker = make_worker(a_consumer(no_op))
    await publish(database, redis, *(a_file_uploaded() for _ in range(3)))
    await read(worker, redis)
    await worker.sweep(STREAM, min_idle=0, owner=worker.worker_id)
    async with database.sessions.begin() as session:
        policy = Policy(lease=timedelta(seconds=30))
        return await take_due(session, worker.consumer.name, worker.consumer.event_types, policy, limit=3)


async def test_whoever_has_lost_its_lease_is_told_and_nobody_else(
    ends: Ends, tickets: list[Ticket], database: Database
) -> None:
    await database.execute("UPDATE deliveries SET attempts = attempts + 1 WHERE position = 2")

    first, second, third = await asyncio.gather(*map(ends.note, tickets), return_exceptions=True)

    assert (first, third) == (None, None)
    assert isinstance(second, LeaseLost)
    assert await database.rows(STATES) == [(1, "done"), (2, "running"), (3, "done")]


async def test_what_could_not_be_noted_is_told_to_all_and_later_ones_are_noted_again(
    ends: Ends, tickets: list[Ticket], database: Database
) -> None:
    await database.execute("ALTER TABLE deliveries RENAME TO hidden")
    errors = await asyncio.gather(*map(ends.note, tickets), return_exceptions=True)
    await database.execute("ALTER TABLE hidden RENAME TO deliveries")

    await ends.note(tickets[0])

    assert [type(error) for error in errors] == [DBAPIError] * 3
    assert await database.rows(STATES) == [(1, "done"), (2, "running"), (3, "running")]


async def test_what_keeps_one_from_being_noted_keeps_no_other(
    ends: Ends, tickets: list[Ticket], database: Database
) -> None:
    await database.execute(REFUSE_THE_SECOND)
    await database.execute(BY_A_TRIGGER)

    first, second, third = await asyncio.gather(*map(ends.note, tickets), return_exceptions=True)

    assert (first, third) == (None, None)
    assert "not this one" in str(second)
    assert await database.rows(STATES) == [(1, "done"), (2, "running"), (3, "done")]


async def test_nobody_waits_for_ever_where_noting_is_cancelled(tickets: list[Ticket], database: Database) -> None:
    class Interrupted(Driver):
        async def rows(self, *_: Any) -> Any:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(Ends(Interrupted(database.engine)).note(tickets[0]), 5)


async def test_who_gives_up_waiting_keeps_nobody_else_from_it(
    ends: Ends, tickets: list[Ticket], database: Database
) -> None:
    waiting = [asyncio.create_task(ends.note(ticket)) for ticket in tickets]
    await asyncio.sleep(0)
    waiting[0].cancel()

    await asyncio.gather(*waiting[1:])

    assert waiting[0].cancelled()
    assert (await database.rows(STATES))[1:] == [(2, "done"), (3, "done")]


async def test_a_stop_waits_for_no_statement(ends: Ends, tickets: list[Ticket], database: Database) -> None:
    async with database.sessions.begin() as session:
        await session.execute(text("SELECT FROM deliveries FOR UPDATE"))
        noting = asyncio.create_task(ends.note(tickets[0]))
        while not await database.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.01)

        noting.cancel()
        await asyncio.wait_for(ends.stop(), 5)
