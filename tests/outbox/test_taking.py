"""What is taken in runs reads only events of its own subject, whatever the planner believes."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import new_id
from outbox.delivery import Policy
from outbox.taking import TAKE_BEHIND, take_due
from tests.database import Database
from tests.outbox.plans import CONSUMER, FEW, TYPE, have_events, rows_read, subscribed_without_autovacuum

FIRST, OTHERS = 20, 5000
"""Events of other subjects: when the plan was made, and by now."""
PLANNED_ONCE = text("SET LOCAL plan_cache_mode = force_generic_plan")
DUE = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at)
SELECT :consumer, position, event_id, subject, type, 'due', 0, now(), now() FROM outbox WHERE subject = :subject
"""


async def test_a_run_reads_no_other_subjects_even_where_it_was_planned_when_there_were_hardly_any(
    database: Database,
) -> None:
    await subscribed_without_autovacuum(database)
    await have_events(database, 1, FIRST)
    await database.execute("ANALYZE outbox, subscriptions, deliveries")
    await _plan(database)
    await have_events(database, FIRST + 1, OTHERS)
    subject = await _due(database, run := [OTHERS // 5 * n + 1 for n in range(1, 5)])

    async def take(session: AsyncSession) -> None:
        taken = await take_due(session, CONSUMER, {TYPE}, Policy(), limit=FEW, in_runs=True)
        assert [(ticket.subject, ticket.position) for ticket in taken] == [(subject, each) for each in run]

    async with database.sessions.begin() as session:
        await session.execute(PLANNED_ONCE)
        assert await rows_read(session, take) < FEW


async def _plan(database: Database) -> None:
    """From now on the connection keeps this plan."""
    heads = {"subjects": [new_id()], "positions": [1]}
    values = {"consumer": CONSUMER, "types": [TYPE], "lease": Policy().lease, "limit": FEW}
    async with database.sessions.begin() as session:
        await session.execute(PLANNED_ONCE)
        await session.execute(TAKE_BEHIND, heads | values)


async def _due(database: Database, positions: list[int]) -> UUID:
    """A subject of its own, whose events these are, and are due."""
    subject = new_id()
    statement = "UPDATE outbox SET subject = :subject WHERE position = ANY(:positions)"
    await database.execute(statement, subject=subject, positions=positions)
    await database.execute(DUE, consumer=CONSUMER, subject=subject)
    return subject
