"""What becomes of a ticket costs the same however many others there are."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import new_id
from outbox import tickets
from outbox.delivery import Policy, Ticket
from tests.database import Database
from tests.outbox.plans import CONSUMER, FEW, TYPE, rows_read

MANY = 2000
RUNNING = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at)
SELECT :consumer, n, gen_random_uuid(), gen_random_uuid(), :type, 'running', 1, now(), now()
FROM generate_series(1, CAST(:many AS int)) n
"""
ONE, TWO = (
    [Ticket(CONSUMER, position, new_id(), new_id(), TYPE, attempt=1) for position in (7, 8)][:n] for n in (1, 2)
)
OUTCOMES = {
    "finish one": lambda session: tickets.finish(session, ONE),
    "finish": lambda session: tickets.finish(session, TWO),
    "fail": lambda session: tickets.fail(session, ONE[0], "why", Policy()),
    "hand back": lambda session: tickets.hand_back(session, TWO),
    "renew": lambda session: tickets.renew(session, TWO, Policy()),
}


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
async def test_of_all_that_is_running_only_the_tickets_own_deliveries_are_read(
    outcome: Callable[[AsyncSession], Awaitable[object]], plan: str, database: Database
) -> None:
    await database.execute("ALTER TABLE deliveries SET (autovacuum_enabled = off)")
    await database.execute(RUNNING, consumer=CONSUMER, type=TYPE, many=MANY)

    async with database.sessions.begin() as session:
        await session.execute(text(f"SET LOCAL plan_cache_mode = {plan}"))
        assert 0 < await rows_read(session, outcome, "deliveries") < FEW
