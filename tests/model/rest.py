"""What must be true once everything has come to rest, and how it comes there."""

import asyncio
from itertools import cycle, islice
from typing import Any

from tests.consumers.steps import STREAM
from tests.model.world import World

ROUNDS = 200
EVENTS = """
SELECT name FROM (
    SELECT position, subject, data->>'name' AS name FROM outbox UNION SELECT position, subject, name FROM archive
) events WHERE subject = :subject ORDER BY position
"""


async def settle(world: World) -> None:
    """Let everybody do what they do until there is nothing left to do."""
    for which in islice(cycle((0, 1)), ROUNDS):
        world.relays[which].doubt()
        await world.relay(which)
        await world.handle(which)
        await world.sweep(which)
        await world.take_due(which)
        await world.trim()
        await asyncio.sleep(0.001)
        if await _is_settled(world):
            return
    raise AssertionError(await world.database.rows("SELECT * FROM deliveries WHERE state IN ('due', 'running')"))


async def _is_settled(world: World) -> bool:
    counts = await world.database.rows("""
        SELECT count(*) FROM outbox UNION ALL SELECT count(*) FROM deliveries WHERE state IN ('done', 'dead')
    """)
    pending = await world.redis.xpending(STREAM, world.consumer.name)
    return {count for (count,) in counts} == {await world.redis.xlen(STREAM)} and not pending["pending"]


async def stream(world: World) -> list[tuple[int, str]]:
    entries: Any = await world.redis.xrange(STREAM)
    return [(int(entry_id.removesuffix(b"-0")), fields[b"id"].decode()) for entry_id, fields in entries]


async def outbox(world: World) -> list[tuple[int, str]]:
    """Position and id of each event that has been given a position."""
    rows = await world.database.rows("SELECT position, event_id FROM outbox WHERE position > 0 ORDER BY position")
    return [(position, str(event_id)) for position, event_id in rows]


async def names(world: World, subject: int) -> list[str]:
    """Of its events, in order, also of those that were forgotten."""
    rows = await world.database.rows(EVENTS, subject=world.subjects[subject])
    return [name for (name,) in rows]


async def effects(world: World, subject: int) -> list[str]:
    """The names that were noted, in the order in which they were."""
    rows = await world.database.rows(
        "SELECT note FROM effects WHERE subject = :subject ORDER BY id", subject=world.subjects[subject]
    )
    return [name for (name,) in rows]


async def dead(world: World) -> int:
    return len(await world.database.rows("SELECT 1 FROM deliveries WHERE state = 'dead'"))
