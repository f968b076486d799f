"""Redis forgets: all of it, or what came after a backup. The streams end identical to the outbox."""

import asyncio
from pathlib import Path

from tests.chaos.dose import Dose, doses
from tests.chaos.scene import Scene
from tests.chaos.services import keep_redis, kill_redis, until_redis_answers


@doses(short=Dose(faults=2, pause=0.7, rate=10), long=Dose(faults=5, pause=4, rate=330))
async def test_flushall(running: Scene, dose: Dose) -> None:
    async with running.under_load(dose.rate):
        for _ in range(dose.faults):
            await asyncio.sleep(dose.pause)
            await running.redis.flushall()
            running.faults += 1


@doses(short=Dose(faults=1, pause=0.7, rate=10), long=Dose(faults=3, pause=5, rate=330))
async def test_redis_killed_and_started_empty(running: Scene, dose: Dose) -> None:
    async with running.under_load(dose.rate):
        for _ in range(dose.faults):
            await asyncio.sleep(dose.pause)
            await kill_redis(running.stack, restored=None)
            running.faults += 1
            await until_redis_answers(running.redis)
        await asyncio.sleep(dose.pause)


@doses(short=Dose(faults=1, pause=0.5, rate=10), long=Dose(faults=3, pause=5, rate=330))
async def test_redis_restored_from_an_older_backup(running: Scene, dose: Dose, tmp_path: Path) -> None:
    async with running.under_load(dose.rate):
        for number in range(dose.faults):
            await asyncio.sleep(dose.pause)
            backup = await keep_redis(running.stack, running.redis, tmp_path / f"backup-{number}")
            await running.more_is_published(20)
            await kill_redis(running.stack, restored=backup)
            running.faults += 1
            await until_redis_answers(running.redis)
        await asyncio.sleep(dose.pause)
