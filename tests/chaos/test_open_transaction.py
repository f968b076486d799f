"""A transaction stays open in the middle of the load: it holds up nobody, and nothing of it is skipped."""

import asyncio

from sqlalchemy import text

from outbox.message import OutboxMessage
from tests.chaos.dose import Dose, doses
from tests.chaos.scene import Scene
from tests.factories import a_file_available

POSITIONS = "SELECT position FROM outbox WHERE event_id = ANY(CAST(:ids AS uuid[]))"


@doses(short=Dose(faults=3, pause=1.5, rate=10), long=Dose(faults=20, pause=60, rate=330))
async def test_a_transaction_left_open(running: Scene, dose: Dose) -> None:
    late = [OutboxMessage.carrying(a_file_available()) for _ in range(dose.faults)]

    async with running.under_load(dose.rate):
        await asyncio.sleep(0.5)
        async with running.database.session() as session:
            await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            session.add_all(late)
            await session.flush()
            await asyncio.sleep(dose.pause)
            await running.more_is_published(1)  # or it times out: it would hold up the others
            meanwhile = await running.published()
            await session.commit()
        running.faults = 1
        await asyncio.sleep(0.5)

    positions = [row.position for row in await running.database.rows(POSITIONS, ids=[str(m.event_id) for m in late])]
    assert len(positions) == dose.faults
    assert min(positions) > meanwhile, "it was published before it had happened"
