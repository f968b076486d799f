"""Postgres crashes or falls silent: the API says 503 and when to ask again, hangs nowhere, and recovers by itself."""

import asyncio

from tests.chaos.dose import Dose, doses
from tests.chaos.scene import Scene
from tests.chaos.services import postgres_paused, restart_postgres

HANGS_SECONDS = 8
"""Beyond the pause itself: more than the 5 s within which the API gives up on a connection."""


@doses(short=Dose(faults=1, pause=0.7, rate=30), long=Dose(faults=3, pause=6, rate=330))
async def test_postgres_restarted(running: Scene, dose: Dose) -> None:
    async with running.under_load(dose.rate) as load:
        for _ in range(dose.faults):
            await asyncio.sleep(dose.pause)
            await restart_postgres(running.stack, running.database)
            running.faults += 1
        await asyncio.sleep(dose.pause)

    assert load.ledger.troubles["503"], "nobody noticed"


@doses(short=Dose(faults=1, pause=5.5, rate=30), long=Dose(faults=2, pause=10, rate=330))
async def test_postgres_paused(running: Scene, dose: Dose) -> None:
    async with running.under_load(dose.rate) as load:
        for _ in range(dose.faults):
            await asyncio.sleep(0.5)
            async with postgres_paused(running.stack):
                await asyncio.sleep(dose.pause)
            running.faults += 1
            await load.all_answered()  # or one request may be caught by two pauses
        await asyncio.sleep(0.5)

    assert load.ledger.troubles["503"], "nobody noticed"
    assert load.ledger.slowest < dose.pause + HANGS_SECONDS
