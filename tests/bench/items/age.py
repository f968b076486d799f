"""Relaying and consuming once more, with millions of old rows in outbox and deliveries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from redis.asyncio import Redis

from infra import streams
from infra.connection import connect
from tests.bench.at_work import at_work, rate
from tests.bench.events import COLUMNS, EVENTS, STREAM, record
from tests.bench.item import Measured, Sides, at_least, item
from tests.bench.items.relay import relayed
from tests.bench.place import Place

OLD = 5_000_000
COUNT = 50_000
SUBJECTS = 10_000
OF_A_SUBJECT = 5
OLD_EVENTS = f"""
WITH sample ({COLUMNS}, number) AS MATERIALIZED (SELECT made.*, row_number() OVER () AS number FROM ({EVENTS}) made)
INSERT INTO outbox ({COLUMNS}, position)
SELECT {{event_id}}, stream, type, {{subject}}, data, traceparent, recorded_at, n
FROM generate_series($3::int, $4::int) n JOIN sample ON number = n % $1::int + 1
"""
OLD_DELIVERIES = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, updated_at)
SELECT 'no_op', n, {event_id}, {subject}, 'file.available', 'done', 1, now() FROM generate_series($1::int, $2::int) n
"""
NUMBERED = {
    "event_id": "('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid",
    "subject": f"('00000000-0000-7000-8000-' || lpad((n % {OLD // OF_A_SUBJECT})::text, 12, '0'))::uuid",
}
SAMPLE = 1000
"""What the data of the old ones are copies of: to make each anew would take most of the time."""
FOR_FILLING = "SET statement_timeout = 0; SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'"
INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index WHERE indrelid = $1::regclass
"""
CONSTRAINTS = """
SELECT conname AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'u')
"""


async def _old(place: Place) -> str:
    return await place.kept(f"old_{OLD}", _fill)


async def _prepare(place: Place) -> None:
    await _old(place)


async def _fill(url: str) -> None:
    """Rows first, by two at once, then the indexes that were there, of one table each; that takes a third as long."""
    async with _connected(url) as one, _connected(url) as other:
        outbox, deliveries = await _without_indexes(one, "outbox"), await _without_indexes(one, "deliveries")
        middle = OLD // 2
        async with asyncio.TaskGroup() as both:
            both.create_task(_rows(one, 1, middle))
            both.create_task(_rows(other, middle + 1, OLD))
        async with asyncio.TaskGroup() as both:
            both.create_task(_finish(one, "outbox", outbox))
            both.create_task(_finish(other, "deliveries", deliveries))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(url, application_name="bench", command_timeout=None)
    try:
        await connection.execute(FOR_FILLING)
        yield connection
    finally:
        await connection.close()


async def _rows(connection: asyncpg.Connection, first: int, last: int) -> None:
    await connection.execute(OLD_EVENTS.format(**NUMBERED), SAMPLE, SAMPLE, first, last)
    await connection.execute(OLD_DELIVERIES.format(**NUMBERED), first, last)


async def _finish(connection: asyncpg.Connection, table: str, undone: list[str]) -> None:
    for statement in undone:
        await connection.execute(statement)
    await connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}")


async def _without_indexes(connection: asyncpg.Connection, table: str) -> list[str]:
    """Drop them; returns what makes them again."""
    constraints = await connection.fetch(CONSTRAINTS, table)
    for each in constraints:
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {each['name']}")
    indexes = await connection.fetch(INDEXES, table)
    for each in indexes:
        await connection.execute(f"DROP INDEX {each['name']}")
    made_again = [f"ALTER TABLE {table} ADD CONSTRAINT {each['name']} {each['definition']}" for each in constraints]
    return [*made_again, *(each["definition"] for each in indexes)]


@item(
    at_least(0.9, "ratio of relay"),
    at_least(0.9, "ratio of consume"),
    unit="events/s through both",
    rounds=3,
    prepare=_prepare,
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
    connection = await connect(url, application_name="bench", command_timeout=None)
    last: int = await connection.fetchval("SELECT coalesce(max(position), 0) FROM outbox")
    await redis.flushall()
    await _end_stream_at(redis, last)
    await record(connection, COUNT, subjects=SUBJECTS)
    await connection.execute("CHECKPOINT")
    relaying = await relayed(url, redis, COUNT)
    async with at_work(place, url, ("worker", "--only", "no_op")):
        consuming = await rate(redis, STREAM, "no_op", last + COUNT)
    await connection.close()
    return Measured(1 / (1 / relaying + 1 / consuming), {"relay": relaying, "consume": consuming})


async def _end_stream_at(redis: Redis, position: int) -> None:
    """As if retention had removed all that came before."""
    if position:
        await redis.xadd(STREAM, {"gone": "1"}, id=f"{position}-0")
        await redis.xtrim(STREAM, maxlen=0)


async def _forget_the_new(url: str) -> None:
    connection = await connect(url, application_name="bench", command_timeout=None)
    for table in ("outbox", "deliveries"):
        await connection.execute(f"DELETE FROM {table} WHERE position > {OLD}")
        await connection.execute(f"VACUUM {table}")
    await connection.close()
