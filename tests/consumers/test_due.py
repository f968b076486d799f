"""What is due is found soon, and looking for it costs next to nothing while there is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.due import look_for_due
from consumers.worker import ConsumerWorker
from domain.files.events import FileUploaded
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import handled, note, publish, read
from tests.database import Database
from tests.factories import a_file_available, a_file_uploaded

LOOKS = 4


@asynccontextmanager
async def at_work(database: Database, *workers: ConsumerWorker) -> AsyncIterator[None]:
    stop = workers[0].stop
    for worker in workers:
        worker.stop = stop
    looking = look_for_due({worker.consumer.name: worker for worker in workers}, database.sessions, stop)
    loops = [asyncio.create_task(loop) for loop in (looking, *(worker.try_due() for worker in workers))]
    yield
    stop.set()
    for worker in workers:
        worker.attempts.stop_starting()
    await asyncio.gather(*loops)


async def also(session: AsyncSession, event: FileUploaded) -> None:
    """Another consumer."""
    await note(session, event)


async def test_while_nothing_is_due_all_consumers_together_ask_one_thing(
    make_worker: MakeWorker, database: Database
) -> None:
    asked, enough = list[str](), asyncio.Event()

    def heard(_: object, __: object, statement: str, *rest: object) -> None:
        asked.append(statement)
        if len(asked) >= LOOKS:
            enough.set()

    event.listen(database.engine.sync_engine, "before_cursor_execute", heard)
    async with at_work(database, make_worker(a_consumer(note)), make_worker(a_consumer(also, batched=True))):
        await asyncio.wait_for(enough.wait(), 10)

    assert len({*asked}) == 1
    assert "unnest" in asked[0]


@pytest.mark.parametrize("batched", [True, False])
async def test_what_becomes_due_is_handled(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    failures, done = ["the first time"], asyncio.Event()

    async def fails_once(session: AsyncSession, event: FileUploaded) -> None:
        if failures:
            raise RuntimeError(failures.pop())
        done.set()

    worker = make_worker(a_consumer(fails_once, batched=batched))
    async with at_work(database, worker):
        await publish(database, redis, a_file_uploaded())
        await handled(worker, await read(worker, redis))
        await asyncio.wait_for(done.wait(), 10)


async def test_events_of_no_concern_are_no_reason_to_look_for_what_is_due(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await publish(database, redis, a_file_available())

    await handled(worker, await read(worker, redis))

    assert not worker.attempts.has_due
