"""Committed events through a relay and a worker, each a process, until all are done; from the commit on."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import asyncpg
from redis.asyncio import Redis

from infra import streams
from tests.bench.at_work import at_work, have_finished, until
from tests.bench.events import STREAM, record
from tests.bench.item import Sides, Unavailable, at_least, item
from tests.bench.peers import PEERS, WITHIN, environment, peer
from tests.bench.place import Place, connected

COUNT = 50_000
SUBJECTS = 10_000


async def prepare(place: Place) -> None:
    with suppress(Unavailable):  # each peer says so itself
        await environment(place)


@item(at_least(1.0, "peers"), unit="events/s", rounds=3, seconds=75, prepare=prepare)
@asynccontextmanager
async def pipeline(place: Place) -> AsyncIterator[Sides]:
    async with streams.connect(place.redis_url) as redis:

        async def ours() -> float:
            async with (
                place.database() as url,
                connected(url) as connection,
                at_work(place, url, ("relay",), ("worker", "--only", "no_op")),
            ):
                await redis.flushall()
                await _handled(connection, redis, 1)
                return await _handled(connection, redis, COUNT)

        settings = {"events": COUNT, "subjects": SUBJECTS, "processes": "1 relay, 1 worker", "log": "json, to a file"}
        peers = {name: peer(place, name, COUNT) for name in PEERS}
        yield Sides(ours=ours, peers=peers, settings={**settings, "peers_seconds": WITHIN})


async def _handled(connection: asyncpg.Connection, redis: Redis, count: int) -> float:
    """Events a second, from the commit of all to the acknowledgement of the last."""
    await record(connection, count, subjects=SUBJECTS)
    began = time.perf_counter()
    last: int = await connection.fetchval("SELECT count(*) FROM outbox")
    await until(partial(have_finished, redis, STREAM, ["no_op"], last))
    return count / (time.perf_counter() - began)
