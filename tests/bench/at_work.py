"""Our own processes on a place, and how far they are."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis.asyncio import Redis

from infra import streams
from infra.supervision.supervisor import Supervisor
from infra.up.processes import Programs
from tests.bench.place import Place

LOOK_SECONDS = 0.05
"""Each look costs two processors a millisecond or so, which those that are measured lack."""
WAYBILL = (sys.executable, "-m", "waybill")
WITH_NO_OPS = (sys.executable, "-m", "tests.bench.no_op")


@asynccontextmanager
async def at_work(
    place: Place, url: str, *commands: tuple[str, ...], waybill: tuple[str, ...] = WITH_NO_OPS
) -> AsyncIterator[Supervisor]:
    """Inside, these commands run on that database, as in production: their logs are JSON, in files."""
    environment = place.with_database(url) | {"WAYBILL_LOG_FORMAT": "json"}
    programs = Programs(place.data_dir, environment, waybill)
    async with Supervisor() as supervisor:
        await supervisor.start(*(programs.named(command[0], *command) for command in commands))
        yield supervisor


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again, until it holds; the item's time ends it otherwise."""
    while not await holds():  # noqa: ASYNC110 - other processes set no event of ours
        await asyncio.sleep(LOOK_SECONDS)


async def rate(redis: Redis, stream: str, group: str, upto: int) -> float:
    """Entries a second that a group acknowledges, from the first that it reads to the one at this position."""
    first = await finished(redis, stream, group)
    await until(partial(have_finished, redis, stream, [group], first + 1))
    began, seen = time.perf_counter(), await finished(redis, stream, group)
    await until(partial(have_finished, redis, stream, [group], upto))
    return (upto - seen) / (time.perf_counter() - began)


async def have_finished(redis: Redis, stream: str, groups: Sequence[str], upto: int) -> bool:
    return all([await finished(redis, stream, group) >= upto for group in groups])


async def finished(redis: Redis, stream: str, group: str) -> int:
    """Up to which position the group has read and acknowledged, where no position is missing in the stream."""
    groups: Any = await redis.xinfo_groups(stream) if await redis.exists(stream) else []
    found = [each for each in groups if each["name"] == group.encode()]
    return streams.position(found[0]["last-delivered-id"].decode()) - found[0]["pending"] if found else 0
