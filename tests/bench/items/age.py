"""Relaying and consuming once more, with millions of old rows in outbox and deliveries."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from infra import streams
from tests.bench import events, filling
from tests.bench.at_work import at_work, rate
from tests.bench.events import COLUMNS, EVENTS, STREAM, record
from tests.bench.item import Measured, Sides, at_least, item
from tests.bench.items.relay import relayed
from tests.bench.place import Place, connected

OLD = 5_000_000
COUNT = 30_000
SUBJECTS = 10_000
OF_A_SUBJECT = 5
SAMPLE = 1000
"""What the data of the old ones are copies of: to make each anew would take most of the time."""
EVENT_ID = "('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid"
SUBJECT = f"('00000000-0000-7000-8000-' || lpad((n % {OLD // OF_A_SUBJECT})::text, 12, '0'))::uuid"
OLD_EVENTS = f"""
WITH sample ({COLUMNS}, number) AS MATERIALIZED (SELECT made.*, row_number() OVER () AS number FROM ({EVENTS}) made)
INSERT INTO outbox ({COLUMNS}, position)
SELECT {EVENT_ID}, stream, type, {SUBJECT}, data, traceparent, recorded_at, n
FROM generate_series(1, {OLD}) n JOIN sample ON number = n % $1::int + 1
"""
OLD_DELIVERIES = f"""
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, updated_at)
SELECT 'no_op', n, {EVENT_ID}, {SUBJECT}, 'file.available', 'done', 1, now() FROM generate_series(1, {OLD}) n
"""


async def _old(place: Place) -> str:
    return await place.kept("old", _fill, events, filling, sys.modules[__name__])


async def _fill(url: str) -> None:
    async with asyncio.TaskGroup() as both:
        both.create_task(_filled(url, "outbox", OLD_EVENTS, SAMPLE, SAMPLE))
        both.create_task(_filled(url, "deliveries", OLD_DELIVERIES))


async def _filled(url: str, table: str, rows: str, *values: int) -> None:
    async with filling.filled(url, table) as connection:
        await connection.execute(rows, *values)


@item(
    at_least(0.9, "ratio of relay"),
    at_least(0.9, "ratio of consume"),
    unit="events/s through both",
    rounds=3,
    seconds=80,
    warm_up=1,
    postgres=filling.MEMORY,
    prepare=_old,
)
@asynccontextmanager
async def age(place: Place) -> AsyncIterator[Sides]:
    async with place.database() as empty, streams.connect(place.redis_url) as redis:
        old = await _old(place)

        async def ours() -> Measured:
            return await _both(place, old, redis)

        async def floor() -> Measured:
            return await _both(place, empty, redis)

        settings = {"old_rows": OLD, "events": COUNT, "subjects": SUBJECTS, "filled": "once, before the item's time"}
        yield Sides(ours=ours, floor=floor, settings=settings)
        await _forget_the_new(old)


async def _both(place: Place, url: str, redis: Redis) -> Measured:
    """Relay, then consume, what is new in this database."""
    async with connected(url) as connection:
        last: int = await connection.fetchval("SELECT coalesce(max(position), 0) FROM outbox")
        await redis.flushall()
        await _end_stream_at(redis, last)
        await record(connection, COUNT, subjects=SUBJECTS)
        await connection.execute("CHECKPOINT")
    relaying = await relayed(url, redis, COUNT)
    async with at_work(place, url, ("worker", "--only", "no_op")):
        consuming = await rate(redis, STREAM, "no_op", last + COUNT)
    return Measured(1 / (1 / relaying + 1 / consuming), {"relay": relaying, "consume": consuming})


async def _end_stream_at(redis: Redis, position: int) -> None:
    """As if retention had removed all that came before."""
    if position:
        await redis.xadd(STREAM, {"gone": "1"}, id=f"{position}-0")
        await redis.xtrim(STREAM, maxlen=0)


async def _forget_the_new(url: str) -> None:
    async with connected(url) as connection:
        for table in ("outbox", "deliveries"):
            await connection.execute(f"DELETE FROM {table} WHERE position > {OLD}")
            await connection.execute(f"VACUUM (ANALYZE) {table}")
