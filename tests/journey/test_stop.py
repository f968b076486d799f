"""SIGTERM: every process ends with 0 in time, whatever it was doing and whoever does not answer."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from api.live.streams import STOPPING
from domain.files.model import Status
from tests.database import Database
from tests.factories import a_processing_file
from tests.journey.conftest import House

READY = {
    "relay": b"relay.ready",
    "worker": b"worker.ready",
    "scheduler": b"scheduler.ready",
    "api": b"Application startup complete",
}
PROCESSES = tuple(READY)
AWAY = {
    "WAYBILL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "WAYBILL_REDIS_URL": "redis://127.0.0.1:9",
    "WAYBILL_S3_ENDPOINT_URL": "http://127.0.0.1:9",
}
WITHOUT_REDIS = b"worker.waits_for_redis"
WITHOUT_POSTGRES = {"worker": b"consumer.unreachable"}


@asynccontextmanager
async def process(
    name: str, environment: Mapping[str, str], *options: str, ready: bytes | None = None
) -> AsyncIterator[Process]:
    """A process of ours that has said that it is ready, or whatever else shows that it is at work."""
    arguments = ("--port", "0", *options) if name == "api" else options
    env = {key: value for key, value in os.environ.items() if not key.startswith("WAYBILL_")} | dict(environment)
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "waybill", name, *arguments, env=env, stderr=PIPE, stdout=PIPE
    )
    assert started.stderr is not None
    while (ready or READY[name]) not in (line := await started.stderr.readline()):
        assert line, f"{name} ended before it was ready"
    yield started
    if started.returncode is None:
        started.kill()
    await started.communicate()


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """The port of a server that accepts and never answers."""
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in accepted:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in accepted), return_exceptions=True)


async def ended(running: Process) -> int:
    running.send_signal(signal.SIGTERM)
    await asyncio.wait_for(running.communicate(), 10)
    assert running.returncode is not None
    return running.returncode


@pytest.mark.parametrize("services", [{}, AWAY], ids=["there", "away"])
async def test_an_idle_api_ends_with_0(services: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """The others do so in test_monitor.py."""
    async with process("api", {**environment, **services}) as running:
        assert await ended(running) == 0


@pytest.mark.parametrize("name", ["relay", "worker", "scheduler"])
async def test_a_process_whose_postgres_has_fallen_silent_ends_with_0(
    name: str, environment: Mapping[str, str]
) -> None:
    async with silent_server() as port:
        silent = {"WAYBILL_DATABASE_URL": f"postgresql://x@127.0.0.1:{port}/x"}
        async with process(name, {**environment, **silent}, ready=WITHOUT_POSTGRES.get(name)) as running:
            assert await ended(running) == 0


@pytest.mark.parametrize("name", PROCESSES)
async def test_the_second_signal_does_not_wait(name: str, environment: Mapping[str, str], redis: Redis) -> None:
    """An idle process would have ended before it came: so both wait for one that is stopped."""
    async with process(name, environment) as running:
        running.send_signal(signal.SIGSTOP)
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGCONT)
        _, said = await asyncio.wait_for(running.communicate(), 3)

        assert running.returncode == 0
        assert b"process.hurried" in said


async def test_a_worker_without_redis_still_handles_what_is_due(
    environment: Mapping[str, str], database: Database, house: House
) -> None:
    file = await database.save(a_processing_file(owner_id=house.account.id))
    await database.execute("UPDATE outbox SET position = 1")
    await database.execute(
        "INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at) "
        "SELECT 'finalize_upload', position, event_id, subject, type, 'due', 0, now(), now() FROM outbox"
    )

    async def is_rejected() -> bool:
        return (await database.get(file)).status == Status.REJECTED

    async with process(
        "worker", {**environment, "WAYBILL_REDIS_URL": "redis://127.0.0.1:9"}, ready=WITHOUT_REDIS
    ) as running:
        await house.until(is_rejected, within=20)
        assert await ended(running) == 0


async def test_a_worker_may_run_one_consumer_alone(house: House) -> None:
    await house.database.save(a_processing_file(owner_id=house.account.id))
    await house.start("relay")

    async with process("worker", house.programs.env, "--only", "finalize_upload") as running:
        await house.until(lambda: house.database.rows("SELECT 1 FROM files WHERE status = 'rejected'"))
        assert await ended(running) == 0

    assert await house.database.rows("SELECT DISTINCT consumer FROM deliveries") == [("finalize_upload",)]


async def test_a_stopping_api_ends_its_streams_with_a_word(house: House) -> None:
    """A stream has no end of its own, and the server waits for every answer's end."""
    await house.start("api")
    async with house.http.stream("GET", "/v1/events/stream") as answer, asyncio.timeout(8):
        lines = answer.aiter_lines()
        assert await anext(lines) == ": waybill"
        os.kill(house.supervisor.pid("api"), signal.SIGTERM)

        assert f": {STOPPING}" in [line async for line in lines]
