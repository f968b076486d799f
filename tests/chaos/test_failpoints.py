"""Processes end, and effects fail, between any two durable writes; each of these places is reached."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from infra.failpoints import FAILPOINTS
from infra.supervision.program import ProgramError
from tests.chaos.dose import LONG_SECONDS
from tests.chaos.hits import totals
from tests.chaos.scene import EVERYTHING, Scene

STRIKES, RATE, ACCOUNTS = 150, 330, 3
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
}
ERRORS = dict.fromkeys(
    ("consumer.before_batch_commit", "attempt.before_commit", "finalize.after_object", "remove.after_object"), 0.03
)
"""What raises there instead: a handler's failure like any other, after which the attempt is noted and tried again."""
ELSEWHERE = frozenset({"reconcile.after_condemn", "reconcile.after_removal"})
"""What only old bytes bring about: tests/consumers/reconciliation ends a process there."""
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
        counts = totals(Path(scene.plan.hits))
        scene.faults = sum(struck for _, struck in counts.values())
        exercised = {name for name, (reached, _) in counts.items() if reached}
        return scene.faults >= STRIKES and exercised >= FAILPOINTS.keys() - ELSEWHERE

    async with scene.under_load(RATE) as load:
        for number in range(ACCOUNTS):
            await load.register(f"{number}@example.com")
        await _until_it_ends_well(scene, "streams", "rebuild", "--yes")
        await _copy_everything(scene)
        await scene.until(struck_often_enough, within=120)
        await asyncio.to_thread(armed.unlink)  # what comes to rest is not to be struck meanwhile

    counts = totals(Path(scene.plan.hits))
    assert not [name for name, (reached, _) in counts.items() if not reached and name not in ELSEWHERE]


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
