"""Batches that are read while others are handled: three at once, but never two that share a subject."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.worker import ConsumerWorker
from domain.aggregate import new_id
from domain.files.events import FileUploaded
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, publish, read
from tests.database import Database
from tests.factories import a_file_uploaded

MADE_DUE = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at)
SELECT :consumer, position, event_id, subject, type, 'due', 1, now(), now() FROM outbox
"""
Read = Callable[..., Coroutine[Any, Any, None]]


class Gate:
    """Every effect passes it, and says so first."""

    def __init__(self) -> None:
        self.open, self.waiting, self.done = asyncio.Event(), list[str](), list[str]()
        self.somebody = asyncio.Condition()

    async def effect(self, session: AsyncSession, event: FileUploaded) -> None:
        async with self.somebody:
            self.waiting.append(event.name)
            self.somebody.notify_all()
        await self.open.wait()
        self.done.append(event.name)

    async def until_there_wait(self, *names: str) -> None:
        async with asyncio.timeout(10), self.somebody:
            await self.somebody.wait_for(lambda: sorted(self.waiting) == sorted(names))


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def worker(gate: Gate, make_worker: MakeWorker) -> ConsumerWorker:
    return _worker(gate, make_worker, batched=True)


@pytest.fixture
def batch_of(worker: ConsumerWorker, database: Database, redis: Redis) -> Read:
    return _reader(worker, database, redis)


def _worker(gate: Gate, make_worker: MakeWorker, **options: Any) -> ConsumerWorker:
    async def waits(session: AsyncSession, event: FileUploaded) -> None:
        await gate.effect(session, event)

    return make_worker(a_consumer(waits, **options))


def _reader(worker: ConsumerWorker, database: Database, redis: Redis) -> Read:
    """Reads a batch of one event, as FastStream would hand it over."""

    async def hand_over(name: str, subject: UUID) -> None:
        await publish(database, redis, a_file_uploaded(file_id=subject, name=name))
        await worker.handle(STREAM, await read(worker, redis))

    return hand_over


async def _are_running(database: Database, count: int) -> None:
    while await database.rows("SELECT count(*) FROM deliveries WHERE state = 'running'") != [(count,)]:
        continue


async def test_three_batches_are_handled_at_once_and_a_fourth_is_not_read_before_one_has_ended(
    gate: Gate, worker: ConsumerWorker, batch_of: Read
) -> None:
    await batch_of("a", new_id())
    await batch_of("b", new_id())
    third = asyncio.create_task(batch_of("c", new_id()))
    await gate.until_there_wait("a", "b", "c")
    assert not third.done()

    gate.open.set()
    await third
    await worker.finish_batches(10)

    assert sorted(gate.done) == ["a", "b", "c"]


async def test_the_next_batch_is_claimed_while_all_places_are_taken(
    gate: Gate, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = _worker(gate, make_worker, concurrency=1)
    batch_of = _reader(worker, database, redis)
    async with asyncio.timeout(10):
        await batch_of("a", new_id())
        await batch_of("b", new_id())
        await gate.until_there_wait("a")
        await _are_running(database, 2)
    assert gate.waiting == ["a"]

    gate.open.set()
    await worker.finish_batches(10)
    await worker.attempts.drain(10)
    assert gate.done == ["a", "b"]


async def test_what_is_due_has_its_turn_in_a_backlog_of_what_is_read(
    gate: Gate, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = _worker(gate, make_worker, concurrency=1)
    batch_of = _reader(worker, database, redis)
    await publish(database, redis, a_file_uploaded(name="due"))
    await read(worker, redis)
    await database.execute(MADE_DUE, consumer=worker.consumer.name)

    async with asyncio.timeout(10):
        await batch_of("a", new_id())
        await batch_of("b", new_id())
        await gate.until_there_wait("a")
        await _are_running(database, 2)
        taking = asyncio.create_task(worker.take_due())
        await _are_running(database, 3)
        await batch_of("c", new_id())
        gate.open.set()
        await taking
    await worker.finish_batches(10)
    await worker.attempts.drain(10)

    assert gate.done == ["a", "b", "due", "c"]


async def test_what_could_not_be_handed_back_in_time_is_handed_back_by_the_drain(
    gate: Gate, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = _worker(gate, make_worker, concurrency=1)
    await publish(database, redis, *(a_file_uploaded(name=name) for name in "abc"))
    await worker.handle(STREAM, await read(worker, redis))
    await gate.until_there_wait("a")

    async with database.sessions.begin() as locking:
        await locking.execute(text("SELECT FROM deliveries FOR UPDATE"))
        worker.stop.set()
        worker.attempts.stop_starting()
        await worker.finish_batches(0.1)
    gate.open.set()
    await worker.attempts.drain(10)

    assert await database.rows("SELECT state, attempts FROM deliveries ORDER BY position") == [
        ("done", 1),
        ("due", 0),
        ("due", 0),
    ]


async def test_a_batch_waits_for_one_that_shares_a_subject_with_it(
    gate: Gate, worker: ConsumerWorker, batch_of: Read, database: Database
) -> None:
    subject = new_id()
    await batch_of("a", subject)
    second = asyncio.create_task(batch_of("b", subject))
    await gate.until_there_wait("a")

    gate.open.set()
    await second
    await worker.finish_batches(10)

    assert gate.done == ["a", "b"]
    assert await database.rows("SELECT state, attempts FROM deliveries") == [("done", 1)] * 2


async def test_what_nobody_has_begun_at_a_stop_is_left_to_be_swept(
    gate: Gate, worker: ConsumerWorker, batch_of: Read, database: Database, redis: Redis
) -> None:
    subject = new_id()
    await batch_of("a", subject)
    second = asyncio.create_task(batch_of("b", subject))
    await gate.until_there_wait("a")

    worker.stop.set()
    gate.open.set()
    await second
    await worker.finish_batches(10)

    assert gate.done == ["a"]
    assert (await redis.xpending(STREAM, worker.consumer.name))["pending"] == 1
