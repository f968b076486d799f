"""A no-op effect in Postgres, in batches: what the claim, the batch's transaction and the log cost."""

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
from tests.bench.place import Place, connected

COUNT = 100_000
SUBJECTS = 20_000
PLAIN = """
CREATE TABLE inbox (
    consumer text, event_id uuid, handled_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (consumer, event_id)
)
"""
PLAIN_CLAIM = """
INSERT INTO inbox (consumer, event_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id
"""


@item(at_least(0.7), unit="events/s", rounds=3)
@asynccontextmanager
async def consume(place: Place) -> AsyncIterator[Sides]:
    async with (
        place.database() as url,
        streams.connect(place.redis_url) as redis,
        connected(url) as connection,
    ):
        await connection.execute(PLAIN)
        await publish(url, redis, COUNT, subjects=SUBJECTS)

        async def ours() -> float:
            await begin(connection, redis, "deliveries", "no_op")
            async with at_work(place, url, ("worker", "--only", "no_op")):
                return await rate(redis, STREAM, "no_op", COUNT)

        async def floor() -> float:
            await begin(connection, redis, "inbox", "by_hand")
            return await _consumed_by_hand(connection, redis)

        settings = {"events": COUNT, "subjects": SUBJECTS, "batch": 500, "processes": 1, "log": "json, to a file"}
        yield Sides(ours=ours, floor=floor, settings=settings)


async def begin(connection: asyncpg.Connection | asyncpg.Pool, redis: Redis, table: str, group: str) -> None:
    """Nothing is consumed yet."""
    await redis.xgroup_destroy(STREAM, group)
    await redis.xgroup_create(STREAM, group, id="0")
    await connection.execute(f"TRUNCATE {table}")
    await connection.execute("CHECKPOINT")


async def _consumed_by_hand(connection: asyncpg.Connection, redis: Redis) -> float:
    began = time.perf_counter()
    while await consume_by_hand(connection, redis):
        continue
    return COUNT / (time.perf_counter() - began)


async def consume_by_hand(
    connection: asyncpg.Connection, redis: Redis, group: str = "by_hand", block: int | None = None
) -> list[UUID]:
    """Handle a batch. Returns the ids of its events."""
    answer: Any = await redis.xreadgroup(group, "bench", {STREAM: ">"}, count=500, block=block)
    if not answer:
        return []
    entries = {UUID(fields[b"id"].decode()): fields[b"data"] for _, fields in answer[0][1]}
    async with connection.transaction():
        for row in await connection.fetch(PLAIN_CLAIM, group, list(entries)):
            await _no_op(FileAvailable.from_json(entries[row["event_id"]]))
    await redis.xack(STREAM, group, *(entry_id for entry_id, _ in answer[0][1]))
    return list(entries)


async def _no_op(event: Any) -> None:
    """Nothing."""
