"""FLUSHALL at rest, then until the stream is what it was and each group of ours has caught up with it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from redis.asyncio import Redis

from consumers.subscription import Consumer, discover
from infra import streams
from outbox.envelope import cloud_event
from outbox.subscriptions import subscribe
from tests.bench import events
from tests.bench.at_work import WAYBILL, at_work, have_finished, until
from tests.bench.events import STREAM, publish
from tests.bench.item import Sides, at_most, item
from tests.bench.items import consume
from tests.bench.place import Place, connected
from tests.bench.serving import sessions_of

COUNT = 100_000
SUBJECTS = 24_999
TYPES = ("file.uploaded", "file.available", "file.updated", "file.downloaded")
"""In equal parts."""
OF_ALL_TYPES = "UPDATE outbox SET type = ($1::text[])[1 + position % 4]"
ALL_DONE = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, updated_at)
SELECT consumer, position, event_id, subject, type, 'done', 1, now() FROM outbox JOIN subscriptions USING (type)
"""
PAGE = "SELECT *, data::text AS data FROM outbox WHERE position > $1 ORDER BY position LIMIT 1000"


def _consumers() -> list[Consumer]:
    """Without those of other items."""
    return [each for each in discover().values() if each.effect.__module__.startswith("consumers.handlers.")]


async def _all_finished(place: Place) -> str:
    handlers = [sys.modules[each.effect.__module__] for each in _consumers()]
    return await place.kept("finished", partial(_finish_all, place), events, sys.modules[__name__], *handlers)


@item(at_most(30, "ours"), unit="s", higher_is_better=False, rounds=2, seconds=75, prepare=_all_finished)
@asynccontextmanager
async def recovery(place: Place) -> AsyncIterator[Sides]:
    groups = [each.name for each in _consumers() if STREAM in each.streams]
    async with streams.connect(place.redis_url) as redis:
        url = await _all_finished(place)

        async def ours() -> float:
            await _rest(url, redis, groups)
            async with at_work(place, url, ("relay",), ("worker",), waybill=WAYBILL):
                return await _after_flushall(redis, until(partial(have_finished, redis, STREAM, groups, COUNT)))

        async def floor() -> float:
            return await _after_flushall(redis, _recover_by_hand(url, redis, groups))

        yield Sides(ours=ours, floor=floor, settings={"events": COUNT, "groups": len(groups), "processes": 2})


async def _finish_all(place: Place, url: str) -> None:
    """As if each consumer had handled all of it, ours and by hand."""
    async with streams.connect(place.redis_url) as redis:
        await redis.flushall()
        await publish(url, redis, COUNT, subjects=SUBJECTS)
    async with sessions_of(url) as sessions, sessions.begin() as session:
        for consumer in _consumers():
            await subscribe(session, consumer.name, consumer.event_types)
    async with connected(url) as connection:
        await connection.execute(OF_ALL_TYPES, list(TYPES))
        await connection.execute(ALL_DONE)
        await connection.execute(consume.PLAIN)
        await connection.execute(
            "INSERT INTO inbox SELECT each, event_id FROM outbox, unnest($1::text[]) each",
            [each.name for each in _consumers() if STREAM in each.streams],
        )
        await connection.execute("VACUUM FULL ANALYZE outbox")
        await connection.execute("VACUUM ANALYZE deliveries")


async def _rest(url: str, redis: Redis, groups: Sequence[str]) -> None:
    """Everybody has handled all of the stream, as after an earlier round."""
    if await have_finished(redis, STREAM, groups, COUNT):
        return
    await redis.flushall()
    await _put_back(url, redis)
    for group in groups:
        await redis.xgroup_create(STREAM, group, id="$")


async def _after_flushall(redis: Redis, recovered: Awaitable[None]) -> float:
    await redis.flushall()
    began = time.perf_counter()
    await recovered
    return time.perf_counter() - began


async def _recover_by_hand(url: str, redis: Redis, groups: Sequence[str]) -> None:
    """All at once, each on a connection of its own."""
    for group in groups:
        await redis.xgroup_create(STREAM, group, id="0", mkstream=True)
    await asyncio.gather(_put_back(url, redis), *(_catch_up(url, redis, group) for group in groups))


async def _put_back(url: str, redis: Redis) -> None:
    last = 0
    async with connected(url) as connection:
        while rows := await connection.fetch(PAGE, last):
            async with redis.pipeline(transaction=False) as pipeline:
                for row in rows:
                    pipeline.xadd(STREAM, cloud_event(row), id=f"{row['position']}-0")  # type: ignore[arg-type]
                await pipeline.execute()
            last = rows[-1]["position"]


async def _catch_up(url: str, redis: Redis, group: str) -> None:
    caught_up = 0
    async with connected(url) as connection:
        while caught_up < COUNT:
            caught_up += len(await consume.consume_by_hand(connection, redis, group, block=100))
