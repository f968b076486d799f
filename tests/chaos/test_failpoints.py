"""Processes end, and effects fail, between any two durable writes; each of these places is reached."""

import asyncio
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from domain.aggregate import new_id
from domain.files.promise import object_key
from infra.failpoints import FAILPOINTS
from infra.supervision.program import ProgramError
from tests.chaos.dose import LONG_SECONDS
from tests.chaos.hits import totals
from tests.chaos.scene import EVERYTHING, Scene

STRIKES, RATE, ACCOUNTS, LEFTOVERS = 100, 330, 3, 3
STRIKES_SECONDS = 240
"""Each of them costs a start of Python: a slow machine's time goes there."""
OFTEN = 0.004
"""The chance to end at a failpoint that each event passes."""
RARELY = {
    # those that are passed less often, so that a process ends there too
    "attempt.before_fail": 0.2,
    "due.after_take": 0.05,
    "sweep.after_claim": 0.2,
    "sweep.before_ack": 0.2,
    "scheduler.after_announce": 0.7,
    "replay.after_copy": 0.7,
    "rebuild.before_swap": 0.2,  # once for each stream: the command has to pass them all
    "mail.after_send": 0.3,
    "retention.before_trim": 0.3,
    "reconcile.after_condemn": 0.3,
    "reconcile.after_removal": 0.3,
}
ERRORS = dict.fromkeys(
    ("consumer.before_batch_commit", "attempt.before_commit", "finalize.after_object", "remove.after_object"), 0.03
)
"""What raises there instead: a handler's failure like any other, after which the attempt is noted and tried again."""
LONG_AGO_SECONDS = 7200
"""What is younger than an hour may be on its way, and reconciliation leaves it alone."""
COPY = "copy:of-everything"
COPIED = "SELECT position, event_id::text FROM outbox WHERE position <= :last ORDER BY position"
STRUCK = re.compile(r"\S+ (exited with code 137|was ended by SIGKILL) ")


@pytest.mark.chaos  # it has no short form: to reach every place takes a while
@pytest.mark.timeout(LONG_SECONDS)
async def test_failpoints(scene: Scene, tmp_path: Path) -> None:
    armed = tmp_path / "armed"
    await asyncio.to_thread(armed.touch)
    chances = {name: RARELY.get(name, OFTEN) for name in FAILPOINTS}
    scene.plan = replace(scene.plan, exits=chances, errors=ERRORS, armed=str(armed))
    scene.asked_for = STRUCK
    await scene.start(*EVERYTHING, "scheduler")

    async def struck_often_enough() -> bool:
        scene.faults = sum(struck for _, struck in totals(Path(scene.plan.hits)).values())
        return scene.faults >= STRIKES and not _missed(scene)

    async with scene.under_load(RATE) as load:
        for number in range(ACCOUNTS):
            await load.register(f"{number}@example.com")
        await _until_it_ends_well(scene, "streams", "rebuild", "--yes")
        await _copy_everything(scene)
        await _remove_what_is_nobodys(scene)
        with suppress(TimeoutError):  # what is missing is asserted, and so named, below
            await scene.until(struck_often_enough, within=STRIKES_SECONDS)
        await asyncio.to_thread(armed.unlink)  # what comes to rest is not to be struck meanwhile

    assert not _missed(scene)
    assert scene.faults >= STRIKES


def _missed(scene: Scene) -> list[str]:
    """Failpoints that nothing has reached."""
    return [name for name, (reached, _) in totals(Path(scene.plan.hits)).items() if not reached]


async def _remove_what_is_nobodys(scene: Scene) -> None:
    """`waybill reconcile --repair` of what an API that was killed long ago has left in S3."""
    left = [scene.bucket / object_key(new_id()) for _ in range(LEFTOVERS)]
    for path in left:
        await asyncio.to_thread(_write_long_ago, path)
    await _until_it_ends_well(scene, "reconcile", "--repair")
    assert not [path for path in left if await asyncio.to_thread(path.exists)]


def _write_long_ago(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"nobody's")
    then = time.time() - LONG_AGO_SECONDS
    os.utime(path, (then, then))


async def _copy_everything(scene: Scene) -> None:
    """`waybill replay --to-stream`, again until it is not struck: each time it goes on where the copy ends."""
    await _until_it_ends_well(scene, "replay", "--to-stream", COPY, "--yes")
    found: Any = await scene.redis.xrange(COPY)
    entries = [(int(f[b"sequence"]), f[b"id"].decode()) for _, f in found]
    assert entries == [tuple(row) for row in await scene.database.rows(COPIED, last=entries[-1][0])]


async def _until_it_ends_well(scene: Scene, *command: str) -> None:
    """A command of an operator who tries again whenever it is struck."""
    while True:
        try:
            await scene.supervisor.run(scene.programs.named("operator", *command))
        except ProgramError as struck:
            assert STRUCK.match(str(struck)), struck  # noqa: PT017 - any other end is a failure
            await asyncio.sleep(0)
        else:
            return
