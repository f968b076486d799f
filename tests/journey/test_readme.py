"""What the README tells others to write works as it stands there."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import a_file_uploaded
from tests.journey.conftest import STREAM, House
from tests.outbox.conftest import History, history
from tests.outbox.forwarder import Forwarder, forwarder

__all__ = ["history"]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PATIENCE = 60.0
READ_UNFINISHED = "thumbnails"


def snippet(having: str) -> str:
    """The block of Python that has this in it."""
    (found,) = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if having in code]
    return str(found)


@pytest.fixture
async def valkey(environment: Mapping[str, str]) -> AsyncIterator[Forwarder]:
    async with forwarder(environment) as reached:
        yield reached


class Subscriber:
    """The README's program, in a directory of its own."""

    def __init__(self, name: str, directory: Path, valkey: Forwarder, redis: Redis) -> None:
        self._group, self._redis = name, redis
        file = directory / f"{name}.py"
        file.write_text(snippet(f'"{name}"'))
        self._command = [sys.executable, str(file)]
        self._env = os.environ | {"WAYBILL_REDIS_URL": f"redis://127.0.0.1:{valkey.port}"}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        process = await asyncio.create_subprocess_exec(*self._command, env=self._env, stdout=PIPE, stderr=PIPE)
        yield process
        process.send_signal(signal.SIGTERM)
        await process.communicate()

    async def says(self, count: int) -> list[str]:
        """So many events in one run of it, by their ids."""
        async with self.running() as process, asyncio.timeout(PATIENCE):
            lines: list[bytes] = []
            while len(lines) < count:
                assert process.stdout is not None
                line = await process.stdout.readline()
                assert line, (await process.communicate())[1].decode()
                lines += [line] if b" file.uploaded report.pdf" in line else []
            while not await self._has_acknowledged():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.01)
        return [line.split()[0].decode() for line in lines]

    async def _has_acknowledged(self) -> bool:
        pending: Any = await self._redis.xpending(STREAM, self._group)
        return not pending["pending"]


async def written(redis: Redis) -> list[str]:
    entries: Any = await redis.xrange(STREAM)
    return [fields[b"id"].decode() for _, fields in entries]


@pytest.fixture(params=["thumbnails", "previews"])
def subscriber(request: pytest.FixtureRequest, tmp_path: Path, valkey: Forwarder, redis: Redis) -> Subscriber:
    return Subscriber(request.param, tmp_path, valkey, redis)


async def test_a_subscriber_goes_on_after_a_restart_where_it_was(
    subscriber: Subscriber, history: History, redis: Redis
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    first = await subscriber.says(3)
    await history.publish(*(a_file_uploaded() for _ in range(2)))
    second = await subscriber.says(2)

    assert first + second == await written(redis)


async def test_what_was_read_and_not_finished_before_a_crash_is_read_again(
    tmp_path: Path, valkey: Forwarder, history: History, redis: Redis
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    await redis.xgroup_create(STREAM, READ_UNFINISHED, id="0")
    await redis.xreadgroup(READ_UNFINISHED, "one", {STREAM: ">"}, count=2)

    assert await Subscriber(READ_UNFINISHED, tmp_path, valkey, redis).says(3) == await written(redis)


async def test_another_service_verifies_a_token_by_the_public_keys(house: House) -> None:
    await house.start("api")
    made = await house.http.post("/v1/service-tokens", json={"name": "ci", "scopes": ["files:read"]})
    code = snippet("/v1/keys").replace("http://127.0.0.1:8000", str(house.http.base_url).rstrip("/"))
    known: dict[str, Any] = {"token": made.json()["token"]}

    await asyncio.to_thread(exec, code, known)

    assert known["claims"]["sub"] == str(house.account.id)
