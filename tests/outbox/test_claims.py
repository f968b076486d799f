"""A claim reads as little of a subject that has had thousands of events as of any other."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import new_id
from outbox.claims import claim
from outbox.delivery import Arrival, Policy, State
from tests.database import Database
from tests.outbox.plans import (
    CONSUMER,
    FEW,
    PLANNED_FOR_GOOD,
    TYPE,
    have_events,
    rows_read,
    subscribed_without_autovacuum,
)

SHORT, LONG = 5000, 2000
"""Events of subjects that have ten each, and of the one that is claimed from."""
HANDLED = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, updated_at)
SELECT :consumer, position, event_id, subject, type, 'done', 1, now() FROM outbox
"""


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
async def test_a_long_history_is_not_read_even_where_the_planner_expects_a_short_one(
    plan: str, database: Database
) -> None:
    await subscribed_without_autovacuum(database)
    await have_events(database, 1, SHORT)
    await database.execute("ANALYZE outbox")
    arrival = await _a_long_history(database)
    await database.execute("ANALYZE deliveries")

    assert await _rows_read_by_claiming(database, arrival, plan) < FEW


async def test_a_long_history_is_not_read_even_where_the_plan_is_of_an_empty_outbox(database: Database) -> None:
    await subscribed_without_autovacuum(database)
    for _ in range(PLANNED_FOR_GOOD):
        async with database.sessions.begin() as session:
            unknown = Arrival(1, new_id(), new_id(), TYPE)
            assert await claim(session, CONSUMER, {TYPE}, [unknown], state=State.DONE, lease=Policy().lease) == []
    await have_events(database, 1, SHORT)
    arrival = await _a_long_history(database)

    assert await _rows_read_by_claiming(database, arrival, "auto") < FEW


async def _a_long_history(database: Database) -> Arrival:
    """All of it is handled, but for the newest event."""
    subject, last = new_id(), SHORT + LONG
    await have_events(database, SHORT + 1, last, subject)
    await database.execute(f"{HANDLED} WHERE position < :last", consumer=CONSUMER, last=last)
    ((event_id,),) = await database.rows("SELECT event_id FROM outbox WHERE position = :last", last=last)
    return Arrival(last, event_id, subject, TYPE)


async def _rows_read_by_claiming(database: Database, arrival: Arrival, plan: str) -> int:
    async def take(session: AsyncSession) -> None:
        assert await claim(session, CONSUMER, {TYPE}, [arrival], state=State.DONE, lease=Policy().lease) == [arrival]

    async with database.sessions.begin() as session:
        await session.execute(text(f"SET LOCAL plan_cache_mode = {plan}"))
        return await rows_read(session, take)
