"""Rebuilding a stream from the outbox, beside the one that is read, and without anybody seeing a gap.

Relays may run meanwhile: after the swap they find the stream to end elsewhere than they believed, and go on from there.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import msgspec
from redis.asyncio import Redis

from infra import streams
from infra.failpoints import failpoint
from infra.stream_swap import swap
from outbox.relay import AFTER_CURSORS, Relay, entries_of

REBUILDING_LOCK = 0x5741_5942_494C_4C02
PLAN = """
SELECT name, count(message.position) AS entries, coalesce(max(message.position), 0) AS newest
FROM unnest($1::text[]) WITH ORDINALITY AS given (name, place)
LEFT JOIN outbox message ON message.stream = name AND message.position IS NOT NULL
GROUP BY name, place ORDER BY place
"""


class RebuildRunning(Exception):
    """Another rebuild is running; wait until it has ended."""

    def __str__(self) -> str:
        return str(self.__doc__)


class Plan(msgspec.Struct):
    """What rebuilding a stream would write, and what is there now."""

    stream: str
    entries: int
    last_id: str
    entries_now: int
    last_id_now: str


class Rebuilt(msgspec.Struct):
    stream: str
    entries: int
    """Written, those that came meanwhile included."""
    last_id: str


async def plan(connection: asyncpg.Connection, redis: Redis, stream_names: Sequence[str]) -> list[Plan]:
    rows = await connection.fetch(PLAN, list(stream_names))
    return [
        Plan(name, entries, f"{newest}-0", await redis.xlen(name), await streams.last_id(redis, name))
        for name, entries, newest in rows
    ]


async def rebuild(
    connection: asyncpg.Connection, redis: Redis, stream: str, advanced: Callable[[int], None] = lambda _: None
) -> Rebuilt:
    """Build the stream anew and put it in the place of what is there; `advanced` hears how many entries so far.

    Nothing is numbered here: while another stream is ahead of the outbox, new positions would hide that it is.

    Raises:
        RebuildRunning: if another rebuild is.

    """
    copy = f"{{{stream}}}:rebuilding"  # in the slot of `stream`, where Redis is a cluster
    async with _alone(connection):
        await redis.unlink(copy)  # of a rebuild that was killed
        try:
            last_id = streams.START
            while True:
                last_id = await _fill(connection, redis, stream, copy, last_id, advanced)
                failpoint("rebuild.before_swap")
                length = await redis.xlen(copy)
                if await swap(redis, stream, copy, newest=last_id):
                    return Rebuilt(stream, length, last_id)
                last_id = await streams.last_id(redis, copy)  # Redis lost data in between
        finally:
            await redis.unlink(copy)


async def catch_up(connection: asyncpg.Connection, redis: Redis, stream_names: Sequence[str]) -> None:
    """Append what has come meanwhile, whether or not a relay runs. Raises StreamAhead."""
    relay = Relay(connection, redis, stream_names)
    while await relay.step() or not relay.is_sure:
        continue


async def _fill(
    connection: asyncpg.Connection,
    redis: Redis,
    stream: str,
    copy: str,
    last_id: str,
    advanced: Callable[[int], None],
) -> str:
    """Append to the copy what the outbox has after `last_id`, and say where it ends."""
    while rows := await connection.fetch(AFTER_CURSORS, [stream], [streams.position(last_id)]):
        last_id = await streams.append(redis, copy, believed=last_id, entries=entries_of(rows))
        advanced(await redis.xlen(copy))
    return last_id


@asynccontextmanager
async def _alone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """The lock ends with its connection, however this process ends."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", REBUILDING_LOCK):
        raise RebuildRunning
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", REBUILDING_LOCK)
