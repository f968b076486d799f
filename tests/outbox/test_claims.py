"""A claim reads as little of a subject that has had thousands of events as of any other."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import new_id
from outbox.claims import claim
from outbox.delivery import Arrival, Policy, State
from outbox.subscriptions import subscribe
from tests.database import Database

CONSUMER, TYPE = "reader", "file.available"
SHORT, LONG = 5000, 2000
"""Events of subjects that have ten each, and of the one that is claimed from."""
FEW = 10
"""Rows of the outbox: the event itself, and those around it."""
PLANNED_FOR_GOOD = 7
"""Executions, after which Postgres keeps a plan for any values."""
EVENTS = """
INSERT INTO outbox (event_id, stream, type, subject, data, recorded_at, position)
SELECT gen_random_uuid(), 'waybill:files', :type, coalesce(:subject, md5((n % 500)::text)::uuid), '{}', now(), n
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n
"""
HANDLED = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, updated_at)
SELECT :consumer, position, event_id, subject, type, 'done', 1, now() FROM outbox
"""
READ = """
SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'outbox'
"""


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
async def test_a_long_history_is_not_read_even_where_the_planner_expects_a_short_one(
    plan: str, database: Database
) -> None:
    await _without_autovacuum(database)
    await database.execute(EVENTS, type=TYPE, subject=None, first=1, last=SHORT)
    await database.execute("ANALYZE outbox")
    arrival = await _a_long_history(database)
    await database.execute("ANALYZE deliveries")

    assert await _rows_read_by_claiming(database, arrival, plan) < FEW


async def test_a_long_history_is_not_read_even_where_the_plan_is_of_an_empty_outbox(database: Database) -> None:
    await _without_autovacuum(database)
    for _ in range(PLANNED_FOR_GOOD):
        async with database.sessions.begin() as session:
            unknown = Arrival(1, new_id(), new_id(), TYPE)
            assert await claim(session, CONSUMER, {TYPE}, [unknown], state=State.DONE, lease=Policy().lease) == []
    await database.execute(EVENTS, type=TYPE, subject=None, first=1, last=SHORT)
    arrival = await _a_long_history(database)

    assert await _rows_read_by_claiming(database, arrival, "auto") < FEW


async def _without_autovacuum(database: Database) -> None:
    await database.execute("ALTER TABLE outbox SET (autovacuum_enabled = off)")
    async with database.sessions.begin() as session:
        await subscribe(session, CONSUMER, {TYPE})


async def _a_long_history(database: Database) -> Arrival:
    """All of it is handled, but for the newest event."""
    subject, last = new_id(), SHORT + LONG
    await database.execute(EVENTS, type=TYPE, subject=subject, first=SHORT + 1, last=last)
    await database.execute(f"{HANDLED} WHERE position < :last", consumer=CONSUMER, last=last)
    ((event_id,),) = await database.rows("SELECT event_id FROM outbox WHERE position = :last", last=last)
    return Arrival(last, event_id, subject, TYPE)


async def _rows_read_by_claiming(database: Database, arrival: Arrival, plan: str) -> int:
    async with database.sessions.begin() as session:
        await session.execute(text(f"SET LOCAL plan_cache_mode = {plan}"))
        before = await _read(session)
        taken = await claim(session, CONSUMER, {TYPE}, [arrival], state=State.DONE, lease=Policy().lease)
        assert taken == [arrival]
        return await _read(session) - before


async def _read(session: AsyncSession) -> int:
    found: int = (await session.execute(text(READ))).scalar_one()
    return found
