"""Committed events to the stream, with full envelopes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from infra import streams
from infra.connection import connect
from outbox.envelope import cloud_event
from outbox.relay import Relay
from tests.bench.events import STREAM, record
from tests.bench.item import Sides, at_least, item
from tests.bench.place import Place, connected

COUNT = 100_000

# What an expert writes by hand: a table with a flag, and no index but for what is not published yet.
PLAIN = """
CREATE TABLE plain_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, stream text NOT NULL,
    type text NOT NULL, subject uuid NOT NULL, data json NOT NULL, traceparent text, recorded_at timestamptz NOT NULL,
    published boolean NOT NULL DEFAULT false
);
CREATE INDEX ON plain_outbox (id) WHERE NOT published
"""
PLAIN_UNPUBLISHED = """
SELECT id AS position, event_id, type, subject, data::text AS data, traceparent, recorded_at
FROM plain_outbox WHERE NOT published ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
"""
PLAIN_PUBLISHED = "UPDATE plain_outbox SET published = true WHERE id = ANY($1)"


@item(at_least(1.0), unit="events/s", rounds=3)
@asynccontextmanager
async def relay(place: Place) -> AsyncIterator[Sides]:
    async with (
        place.database() as url,
        streams.connect(place.redis_url) as redis,
        connected(url) as connection,
    ):
        await connection.execute(PLAIN)

        async def ours() -> float:
            await _begin(connection, redis, "outbox")
            return await relayed(url, redis, COUNT)

        async def floor() -> float:
            await _begin(connection, redis, "plain_outbox")
            return await _relayed_by_hand(connection, redis)

        yield Sides(ours=ours, floor=floor, settings={"events": COUNT, "batch": 1000, "processes": 1})


async def _begin(connection: asyncpg.Connection, redis: Redis, table: str) -> None:
    await redis.flushall()
    await connection.execute(f"TRUNCATE {table}")
    await record(connection, COUNT, subjects=COUNT, table=table)
    await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.execute("CHECKPOINT")


async def relayed(url: str, redis: Redis, count: int) -> float:
    """Events a second, from a relay that has just begun until it has appended so many."""
    connection = await connect(url, application_name="waybill-relay")
    relay, began = Relay(connection, redis, STREAMS), time.perf_counter()
    appended = 0
    while appended < count:
        appended += await relay.step()
    rate = count / (time.perf_counter() - began)
    await connection.close()
    return rate


async def _relayed_by_hand(connection: asyncpg.Connection, redis: Redis) -> float:
    began = time.perf_counter()
    while await relay_by_hand(connection, redis):
        continue
    return COUNT / (time.perf_counter() - began)


async def relay_by_hand(connection: asyncpg.Connection, redis: Redis) -> int:
    """Publish a batch. Returns how many there were."""
    async with connection.transaction(), redis.pipeline(transaction=False) as pipeline:
        rows = await connection.fetch(PLAIN_UNPUBLISHED)
        for row in rows:
            pipeline.xadd(STREAM, cloud_event(row))  # type: ignore[arg-type]
        await pipeline.execute()
        await connection.execute(PLAIN_PUBLISHED, [row["position"] for row in rows])
    return len(rows)
