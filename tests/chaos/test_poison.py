"""Events that fail, kill or make no sense: dead with their reason, they alone, and handled once the cause is mended."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from outbox.message import OutboxMessage
from tests.chaos.dose import Dose, doses
from tests.chaos.load import Load
from tests.chaos.scene import EVERYTHING, Scene
from tests.factories import a_file_available

ATTEMPTS = 3
LEASE_SECONDS = 4
"""A worker that lives but starves, on a busy machine, must not be taken for one that was killed."""
SPOILED = ("finalize_upload", "index_file")
READERS = ("index_file", "remove_objects")
NOT_AN_EVENT = ('{"file_id": "no id"}', '["no object"]')
REASONS = {
    # what it is, and what its delivery says of it: the reason, and after how many attempts
    "poison": ("Poisoned: poison-", [ATTEMPTS]),
    "killer": ("its worker was gone before the last attempt ended", [ATTEMPTS]),
    # after the first, unless its worker was killed then, and the next one too
    "broken": ("Unmendable: not a file.available", range(1, ATTEMPTS + 1)),
}
DEAD = """
SELECT d.consumer, d.attempts, d.last_error, o.event_id, o.data::text FROM deliveries d JOIN outbox o USING (position)
WHERE d.state = 'dead'
"""
MEND = "UPDATE outbox SET data = CAST(:data AS json) WHERE event_id = :id"


@dataclass
class Ill:
    """What has been sent into the world to fail."""

    broken: list[OutboxMessage] = field(default_factory=list)
    expected: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many dead of each kind each consumer is to have."""

    async def send(self, scene: Scene, load: Load, number: int) -> None:
        killed = SPOILED[number % len(SPOILED)]
        for kind, consumer in (*(("poison", consumer) for consumer in SPOILED), ("killer", killed)):
            await load.upload(f"{kind}-{consumer}-{number}", "harmless")
            self.expected[kind, consumer] += 1
        for data in NOT_AN_EVENT:
            message = OutboxMessage.carrying(a_file_available())
            message.data = data
            self.broken.append(message)
            self.expected.update(("broken", consumer) for consumer in READERS)
            async with scene.database.sessions.begin() as session:
                session.add(message)

    async def all_dead(self, scene: Scene) -> bool:
        return len(await scene.database.rows(DEAD)) >= self.expected.total()

    async def mend(self, scene: Scene, cause: Path) -> None:
        await asyncio.to_thread(cause.unlink)
        for message in self.broken:
            whole = a_file_available(file_id=message.subject).to_json().decode()
            await scene.database.execute(MEND, id=message.event_id, data=whole)
        await scene.redis.flushdb()  # the stream is a view of the outbox: it is to show what was mended


@doses(short=Dose(faults=1, pause=0.5, rate=10), long=Dose(faults=4, pause=3, rate=330))
async def test_poison(scene: Scene, dose: Dose, tmp_path: Path) -> None:
    cause = tmp_path / "cause"
    cause.touch()
    scene.plan = replace(scene.plan, poison=str(cause))
    await scene.start(*EVERYTHING, WAYBILL_RETRY_MAX_ATTEMPTS=str(ATTEMPTS), WAYBILL_LEASE_SECONDS=str(LEASE_SECONDS))
    ill = Ill()

    async with scene.under_load(dose.rate) as load:
        for number in range(dose.faults):
            await ill.send(scene, load, number)
            await asyncio.sleep(dose.pause)
        await scene.until(lambda: ill.all_dead(scene))
        found = Counter([(_kind(row), row.consumer) for row in await scene.database.rows(DEAD)])
        scene.faults = ill.expected.total()
        assert found == ill.expected

        await ill.mend(scene, cause)
        await scene.supervisor.run(scene.programs.named("redrive", "dead", "redrive", "--all"))


def _kind(row: object) -> str:
    """What kind of death it died, or else all that is known of it."""
    error, attempts = row.last_error, row.attempts  # type: ignore[attr-defined]
    for kind, (reason, after) in REASONS.items():
        if reason in error and attempts in after:
            return kind
    return f"{attempts} attempts, {error}"
