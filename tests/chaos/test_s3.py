"""S3 answers 500, or not at all: what needs it is tried again, and then everything completes."""

import asyncio

import pytest

from tests.chaos.dose import Dose, doses
from tests.chaos.s3_proxy import Mode
from tests.chaos.scene import Scene

REST_SECONDS = 120


@pytest.mark.parametrize("mode", [Mode.FAILING, Mode.SILENT])
@doses(short=Dose(faults=1, pause=1, rate=10), long=Dose(faults=1, pause=30, rate=330))
async def test_s3(running: Scene, dose: Dose, mode: Mode) -> None:
    struck = running.s3.struck

    async def has_noticed() -> bool:
        return running.s3.struck > struck

    async with running.under_load(dose.rate, rest=REST_SECONDS):
        for _ in range(dose.faults):
            await asyncio.sleep(0.5)
            running.s3.turn(mode)
            await running.until(has_noticed)
            await asyncio.sleep(dose.pause)
            running.s3.turn(Mode.WELL)
        running.faults = running.s3.struck - struck
        await asyncio.sleep(0.5)
