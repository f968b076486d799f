"""What has ended its worker before has its last attempt in a process where nothing else is at work."""

import asyncio

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.solitude import Solitude
from consumers.worker import ConsumerWorker
from domain.files.events import FileUploaded
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import handled, note, notes, publish, read, settled
from tests.database import Database
from tests.factories import a_file_uploaded


async def with_a_suspect(make_worker: MakeWorker, database: Database, redis: Redis) -> ConsumerWorker:
    """A worker that finds a delivery whose worker is gone, with one attempt left."""
    worker = make_worker(a_consumer(note), max_attempts=2)
    await publish(database, redis, a_file_uploaded(name="suspect"))
    await handled(worker, await read(worker, redis))
    await settled(worker, database)
    await database.execute("UPDATE deliveries SET state = 'running', attempts = 1, due_at = now()")
    return worker


async def test_whoever_is_alone_waits_for_the_others_and_keeps_new_ones_waiting() -> None:
    solitude, told = Solitude(), list[str]()
    may_end = asyncio.Event()

    async def among_others(name: str) -> None:
        async with solitude.among_others():
            told.append(name)
            await may_end.wait()

    async def alone() -> None:
        async with solitude.alone(within=5):
            told.append("alone")

    first = asyncio.create_task(among_others("first"))
    await asyncio.sleep(0)
    one, second = asyncio.create_task(alone()), asyncio.create_task(among_others("second"))
    await asyncio.sleep(0)
    assert told == ["first"]

    may_end.set()
    await asyncio.gather(first, one, second)

    assert told == ["first", "alone", "second"]


async def test_a_last_attempt_after_a_crash_is_made_alone(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = await with_a_suspect(make_worker, database, redis)

    async with worker.attempts.solitude.among_others():
        trying = asyncio.create_task(worker.take_due())
        while not worker.attempts.solitude._gate.locked():  # noqa: ASYNC110, SLF001 - it is about to be alone
            await asyncio.sleep(0.001)
        assert await notes(database) == ["suspect"]
    await trying

    assert await notes(database) == ["suspect", "suspect"]
    assert await settled(worker, database) == [("done", 2)]


async def test_a_last_attempt_is_not_counted_while_another_has_the_process_for_itself(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    """That one may end the process, and whoever waits must not have had its last attempt then."""
    worker = await with_a_suspect(make_worker, database, redis)

    async with worker.attempts.solitude.alone(within=5):
        trying = asyncio.create_task(worker.take_due())
        while not worker.attempts.solitude._gate._waiters:  # noqa: ASYNC110, SLF001 - it waits for its turn
            await asyncio.sleep(0.001)
        assert await database.rows("SELECT state, attempts FROM deliveries") == [("running", 1)]
    await trying

    assert await settled(worker, database) == [("done", 2)]


async def test_a_handlers_own_cancellation_is_its_failure_in_a_batch_too(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def cancels(session: AsyncSession, event: FileUploaded) -> None:
        raise asyncio.CancelledError("mine")

    worker = make_worker(a_consumer(cancels, batched=True), max_attempts=2)
    await publish(database, redis, a_file_uploaded())

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 2)]


async def test_a_last_attempt_does_not_wait_for_places_whose_holders_wait_for_it(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = await with_a_suspect(make_worker, database, redis)
    others = [a_file_uploaded() for _ in range(worker.consumer.concurrency)]

    async with worker.attempts.solitude.among_others():
        trying = asyncio.create_task(worker.take_due())
        while not worker.attempts.solitude._gate.locked():  # noqa: ASYNC110, SLF001 - it is about to be alone
            await asyncio.sleep(0.001)
        await publish(database, redis, *others)
        await handled(worker, await read(worker, redis))
    await asyncio.wait_for(trying, 5)

    assert [state for state, _ in await settled(worker, database)] == ["done"] * (1 + len(others))
