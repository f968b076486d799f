"""Whoever listens hears each event once and in order, whatever becomes of Redis and Postgres meanwhile."""

import asyncio
import contextlib
import random
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from api.live.reader import UNREADABLE
from api.live.response import AWAY
from domain.event import Event
from infra.embedded import EmbeddedStack
from tests import memory
from tests.api.listening import listening
from tests.chaos.services import kill_redis, restart_postgres, until_redis_answers
from tests.conftest import FAST
from tests.database import migrate
from tests.factories import a_file_uploaded
from tests.journey.conftest import House

PAST = 250
"""Events that have happened before: more than a page."""
MORE = 30
"""Events that are heard after each fault."""
AGAIN_SECONDS = 0.05


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Services that nobody else uses: they may be broken."""
    with memory.directory("ground", otherwise=tmp_path_factory.mktemp("ground")) as path:
        async with EmbeddedStack(path, postgres_settings=FAST) as stack:
            await migrate(stack.environment["WAYBILL_DATABASE_URL"])
            yield stack


@pytest.fixture
def environment(ground: EmbeddedStack) -> dict[str, str]:
    return ground.environment | {"WAYBILL_RATE_LIMIT_SCALE": "1000"}


@dataclass
class Follower:
    """It comes again after each end, where it stopped."""

    house: House
    heard: list[int]
    """Begins with the position after which it began."""
    chance: random.Random | None = None
    """It stops itself now and then."""
    ends: set[str] = field(default_factory=set)
    """How its connections ended, but for those that it ended itself."""

    async def follow(self) -> None:
        while True:
            try:
                await self._listen(self.chance.randint(1, 100) if self.chance else None)
            except httpx.TransportError as error:
                self.ends.add(type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def until(self, position: int) -> None:
        await self.house.until(lambda: asyncio.sleep(0, self.heard[-1] >= position))

    async def _listen(self, most: int | None) -> None:
        url, headers = str(self.house.http.base_url), dict(self.house.http.headers)
        async with listening(url, headers, after=self.heard[-1]) as listener:
            if listener.answer.is_error:
                self.ends.add(str(listener.answer.status_code))
                return
            async for told in listener.events():
                self.heard.append(told.id)
                if most is not None and (most := most - 1) == 0:
                    return
            self.ends.add(listener.comments[-1])


@contextlib.asynccontextmanager
async def following(house: House, after: int) -> AsyncIterator[tuple[Follower, Follower]]:
    """One that stays, and one that stops and resumes all the time."""
    stays, resumes = Follower(house, [after]), Follower(house, [after], random.Random(6))  # noqa: S311
    tasks = [asyncio.create_task(each.follow()) for each in (stays, resumes)]
    try:
        yield stays, resumes
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def happening(house: House) -> AsyncIterator[None]:
    """Inside, events happen; while Postgres is away, none do."""
    stop = asyncio.Event()

    async def happen() -> None:
        while not stop.is_set():
            with contextlib.suppress(*UNREADABLE):
                await house.database.record(*events(house, 2))
            await asyncio.sleep(0.02)

    task = asyncio.create_task(happen())
    try:
        yield
    finally:
        stop.set()
        await task


def events(house: House, count: int) -> list[Event]:
    return [a_file_uploaded(owner_id=house.account.id) for _ in range(count)]


async def newest(house: House) -> int:
    return int((await house.database.rows("SELECT coalesce(max(position), 0) FROM outbox"))[0][0])


async def streams_are_rebuilt(house: House, ground: EmbeddedStack) -> None:
    rebuild = (sys.executable, "-m", "waybill", "streams", "rebuild", "--yes")
    running = await asyncio.create_subprocess_exec(*rebuild, env=dict(house.programs.env), stdout=DEVNULL)
    assert await running.wait() == 0


async def redis_is_emptied(house: House, ground: EmbeddedStack) -> None:
    await house.redis.flushall()


async def redis_is_killed(house: House, ground: EmbeddedStack) -> None:
    await kill_redis(ground, restored=None)
    await until_redis_answers(house.redis)


async def postgres_crashes(house: House, ground: EmbeddedStack) -> None:
    await restart_postgres(ground, house.database)


async def the_relay_is_killed(house: House, ground: EmbeddedStack) -> None:
    house.kill("relay")


async def the_api_is_killed(house: House, ground: EmbeddedStack) -> None:
    house.kill("api")


GONE = {"ConnectError", "ReadError", "RemoteProtocolError"}
FAULTS: dict[Callable[[House, EmbeddedStack], Awaitable[None]], set[str]] = {
    # what happens: how whoever listens already may be ended by it
    streams_are_rebuilt: set(),
    redis_is_emptied: set(),
    redis_is_killed: set(),
    postgres_crashes: set(),
    the_relay_is_killed: set(),
    the_api_is_killed: GONE,
}


async def test_whatever_happens_each_event_is_heard_once_and_in_order(house: House, ground: EmbeddedStack) -> None:
    """One after the other, since to start the processes takes longer than most of it."""
    await house.start("api", "relay")
    begin = await newest(house)
    await house.database.record(*events(house, PAST))

    async with following(house, begin) as (stays, resumes):
        async with happening(house):
            await stays.until(begin + PAST)
            for fault, ends in FAULTS.items():
                await fault(house, ground)
                await stays.until(await newest(house) + MORE)
                assert stays.ends <= ends, fault.__name__
        await house.until(house.all_is_published)
        end = await newest(house)
        await asyncio.gather(stays.until(end), resumes.until(end))

    assert stays.heard == resumes.heard == list(range(begin, end + 1))
    assert resumes.ends <= {AWAY, "503"} | GONE
