"""SIGTERM under load: every process ends with 0 in time, and nothing waits for a lease to end."""

import asyncio
import re
import signal

import pytest

from tests.chaos.dose import LONG_SECONDS, Dose
from tests.chaos.scene import EVERYTHING, Scene

IN_TIME_SECONDS = 10
ENDED = re.compile(r"\S+ exited with code 0 ")
LEASE_SECONDS = 300
REST_SECONDS = 60
"""Far less than the lease: whoever had to wait for that came too late."""


@pytest.mark.chaos  # its short form is in tests/journey/test_stop.py
@pytest.mark.timeout(LONG_SECONDS)
@pytest.mark.parametrize("dose", [Dose(faults=20, pause=2.5, rate=330)], ids=["long"])
async def test_stop_everyone(scene: Scene, dose: Dose) -> None:
    processes = (*EVERYTHING, "scheduler")
    scene.asked_for = ENDED
    await scene.start(*processes, WAYBILL_LEASE_SECONDS=str(LEASE_SECONDS))
    await asyncio.sleep(1)

    async with scene.under_load(dose.rate, rest=REST_SECONDS):
        for _ in range(dose.faults):
            await asyncio.sleep(dose.pause)
            before = {name: scene.supervisor.pid(name) for name in processes}
            for name in processes:
                scene.signal(name, signal.SIGTERM)

            async def have_all_ended(before: dict[str, int] = before) -> bool:
                return all(scene.supervisor.pid(name) != pid for name, pid in before.items())

            await scene.until(have_all_ended, within=IN_TIME_SECONDS)
            await scene.until(scene.is_live)
