"""How much Postgres reads for a statement whose plan is of another time, when the outbox held next to nothing."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from outbox.subscriptions import subscribe
from tests.database import Database

CONSUMER, TYPE = "reader", "file.available"
FEW = 10
"""Rows: those in question, and those around them."""
PLANNED_FOR_GOOD = 7
"""Executions, after which Postgres keeps a plan for any values."""
EVENTS = """
INSERT INTO outbox (event_id, stream, type, subject, data, recorded_at, position)
SELECT gen_random_uuid(), 'waybill:files', :type, coalesce(:subject, md5((n % 500)::text)::uuid), '{}', now(), n
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n
"""
READ = """
SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = :table
"""


async def subscribed_without_autovacuum(database: Database) -> None:
    """So that the planner learns only what the test has it learn."""
    await database.execute("ALTER TABLE outbox SET (autovacuum_enabled = off)")
    async with database.sessions.begin() as session:
        await subscribe(session, CONSUMER, {TYPE})


async def have_events(database: Database, first: int, last: int, subject: UUID | None = None) -> None:
    """At these positions, of that subject or of five hundred in turn."""
    await database.execute(EVENTS, type=TYPE, subject=subject, first=first, last=last)


async def rows_read(
    session: AsyncSession, statement: Callable[[AsyncSession], Awaitable[object]], table: str = "outbox"
) -> int:
    """How many of the table it took."""
    before = await _rows_read(session, table)
    await statement(session)
    return await _rows_read(session, table) - before


async def _rows_read(session: AsyncSession, table: str) -> int:
    found: int = (await session.execute(text(READ), {"table": table})).scalar_one()
    return found
