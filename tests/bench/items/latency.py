"""From the commit of an event to its stream, and until it is handled, under a steady and modest load."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from redis.asyncio import Redis

from infra import streams
from infra.connection import connect
from tests.bench.at_work import at_work, have_finished, until
from tests.bench.events import COLUMNS, STREAM
from tests.bench.item import Measured, Sides, at_most, item
from tests.bench.items import consume, relay
from tests.bench.place import Place
from tests.factories import a_file_available

COUNT = 2500
PER_SECOND = 500
POLL_SECONDS = 0.01
GROUPS = ("no_op", "by_hand")
Times = dict[UUID, float]
"""When something happened to an event, by `time.time()`: several processes look at the same clock."""


@item(
    at_most(15, "stream_p50"),
    at_most(60, "stream_p99"),
    at_most(100, "handled_p99"),
    unit="ms to the stream",
    higher_is_better=False,
    rounds=2,
)
@asynccontextmanager
async def latency(place: Place) -> AsyncIterator[Sides]:
    async with (
        place.database() as url,
        streams.connect(place.redis_url) as redis,
        asyncpg.create_pool(url, min_size=8, max_size=8) as pool,
    ):
        await pool.execute(f"{relay.PLAIN};{consume.PLAIN}")

        async def ours() -> Measured:
            await _begin(redis)
            async with at_work(place, url, ("relay",), ("worker", "--only", "no_op")), _arrivals(redis) as arrived:
                await _commit(pool, "outbox", 1)
                await until(partial(have_finished, redis, STREAM, ["no_op"], 1))
                committed = await _commit(pool, "outbox", COUNT)
                await until(partial(have_finished, redis, STREAM, ["no_op"], COUNT + 1))
            return _latencies(committed, arrived, _told(place.data_dir.log("worker")))

        async def floor() -> Measured:
            await _begin(redis)
            async with _by_hand(url, redis) as handled, _arrivals(redis) as arrived:
                committed = await _commit(pool, "plain_outbox", COUNT)
                await until(partial(_has_all, handled))
            return _latencies(committed, arrived, handled)

        async def _begin(redis: Redis) -> None:
            await redis.flushall()
            for group in GROUPS:
                await redis.xgroup_create(STREAM, group, id="0", mkstream=True)
            await pool.execute("TRUNCATE outbox, deliveries, plain_outbox, inbox; CHECKPOINT")

        yield Sides(ours=ours, floor=floor, settings={"events": COUNT, "events_per_second": PER_SECOND})


async def _commit(pool: asyncpg.Pool, table: str, count: int) -> Times:
    """Commit one event after the other, each in time, whether or not the one before is there."""
    committed, began = Times(), time.perf_counter()
    data = a_file_available().to_json().decode()

    async def commit() -> None:
        event_id = uuid4()
        values = (event_id, STREAM, "file.available", uuid4(), data, None, datetime.now().astimezone())
        async with pool.acquire() as connection:
            await connection.execute(f"INSERT INTO {table} ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)", *values)
            committed[event_id] = time.time()

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
            group.create_task(commit())
    return committed


@asynccontextmanager
async def _arrivals(redis: Redis) -> AsyncIterator[Times]:
    """Read the stream as a subscriber does."""
    arrived = Times()

    async def read() -> None:
        last = b"0"
        while True:
            answer: Any = await redis.xread({STREAM: last}, block=1000)
            for last, fields in answer[0][1] if answer else ():  # noqa: B007 - used in the next round
                arrived[UUID(fields[b"id"].decode())] = time.time()

    async with _meanwhile(read()):
        yield arrived


@asynccontextmanager
async def _by_hand(url: str, redis: Redis) -> AsyncIterator[Times]:
    handled = Times()
    publishing, handling = [await connect(url, application_name="bench") for _ in range(2)]

    async def publish() -> None:
        while True:
            if not await relay.relay_by_hand(publishing, redis):
                await asyncio.sleep(POLL_SECONDS)

    async def handle() -> None:
        while True:
            done = await consume.consume_by_hand(handling, redis, block=1000)
            handled.update(dict.fromkeys(done, time.time()))

    async with _meanwhile(publish()), _meanwhile(handle()):
        yield handled
    await publishing.close()
    await handling.close()


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """What fails in it ends what it is meanwhile to."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield
        task.cancel()


async def _has_all(handled: Times) -> bool:
    return len(handled) == COUNT


def _told(log: Path) -> Times:
    """When a worker said so of an event, which it does after the commit."""
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines() if b"delivery.done" in line]
    return {UUID(line["event_id"]): datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines}


def _latencies(committed: Times, arrived: Times, handled: Times) -> Measured:
    more = {**_percentiles("stream", committed, arrived), **_percentiles("handled", committed, handled)}
    return Measured(more["stream_p50"], more)


def _percentiles(name: str, committed: Mapping[UUID, float], then: Mapping[UUID, float]) -> dict[str, float]:
    hundredths = quantiles((1000 * (then[event_id] - at) for event_id, at in committed.items()), n=100)
    return {f"{name}_p{percent}": hundredths[percent - 1] for percent in (50, 95, 99)}
