"""`kill -9` of whoever it hits: nothing is lost, doubled, out of order, done twice or stranded."""

import asyncio
import signal

from tests.chaos.dose import Dose, doses
from tests.chaos.scene import EVERYTHING, Scene


@doses(short=Dose(faults=4, pause=0.6, rate=10), long=Dose(faults=30, pause=2, rate=330))
async def test_kill_anyone(running: Scene, dose: Dose) -> None:
    async with running.under_load(dose.rate):
        for _ in range(dose.faults):
            await asyncio.sleep(dose.pause)
            running.signal(running.dice.choice(EVERYTHING), signal.SIGKILL)
