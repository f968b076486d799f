"""An effect that waits 20 ms for something else, 32 at a time, each in a transaction of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from domain.files.events import FileAvailable
from infra import streams
from tests.bench.at_work import at_work, rate
from tests.bench.events import STREAM, publish
from tests.bench.item import Sides, at_least, item
from tests.bench.items.consume import begin
from tests.bench.no_op import CONCURRENCY, WAIT_SECONDS
from tests.bench.place import Place

COUNT = 4000
PLAIN = "CREATE TABLE inbox (consumer text, event_id uuid, state text NOT NULL, PRIMARY KEY (consumer, event_id))"
PLAIN_CLAIM = """
INSERT INTO inbox (consumer, event_id, state) SELECT 'by_hand', unnest($1::uuid[]), 'running'
ON CONFLICT DO NOTHING RETURNING event_id
"""
PLAIN_DONE = "UPDATE inbox SET state = 'done' WHERE consumer = 'by_hand' AND event_id = $1"


@item(at_least(0.8), unit="events/s", rounds=3)
@asynccontextmanager
async def consume_concurrent(place: Place) -> AsyncIterator[Sides]:
    async with (
        place.database() as url,
        streams.connect(place.redis_url) as redis,
        asyncpg.create_pool(url, min_size=CONCURRENCY, max_size=CONCURRENCY) as pool,
    ):
        await pool.execute(PLAIN)
        await publish(url, redis, COUNT, subjects=COUNT)

        async def ours() -> float:
            await begin(pool, redis, "deliveries", "waiting")
            async with at_work(place, url, ("worker", "--only", "waiting")):
                return await rate(redis, STREAM, "waiting", COUNT)

        async def floor() -> float:
            await begin(pool, redis, "inbox", "by_hand")
            return await _consumed_by_hand(pool, redis)

        settings = {"events": COUNT, "at_once": CONCURRENCY, "wait_ms": WAIT_SECONDS * 1000, "processes": 1}
        yield Sides(ours=ours, floor=floor, settings=settings)


async def _consumed_by_hand(pool: asyncpg.Pool, redis: Redis) -> float:
    places, began = asyncio.Semaphore(CONCURRENCY), time.perf_counter()

    async def handle(event_id: UUID, data: bytes) -> None:
        async with places, pool.acquire() as connection, connection.transaction():
            await _wait(connection, FileAvailable.from_json(data))
            await connection.execute(PLAIN_DONE, event_id)

    while True:
        answer: Any = await redis.xreadgroup("by_hand", "bench", {STREAM: ">"}, count=500)
        if not answer:
            return COUNT / (time.perf_counter() - began)
        entries = {UUID(fields[b"id"].decode()): fields[b"data"] for _, fields in answer[0][1]}
        claimed = [row["event_id"] for row in await pool.fetch(PLAIN_CLAIM, list(entries))]
        await asyncio.gather(*(handle(event_id, entries[event_id]) for event_id in claimed))
        await redis.xack(STREAM, "by_hand", *(entry_id for entry_id, _ in answer[0][1]))


async def _wait(connection: asyncpg.Connection, event: Any) -> None:
    await asyncio.sleep(WAIT_SECONDS)
    await connection.execute("SELECT 1")
