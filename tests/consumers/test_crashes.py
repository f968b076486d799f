"""What a worker that crashed, stopped or fell silent had in its hands is handled by another, and only once."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from redis.asyncio import Redis
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import AsyncSession

from domain.files.events import FileUploaded
from infra.database import create_engine
from outbox.session import session_factory
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, handled, note, publish, read, settled
from tests.database import Database
from tests.factories import a_file_uploaded


async def test_an_event_that_kills_every_worker_is_dead_after_the_last_attempt(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note), max_attempts=3)
    await publish(database, redis, a_file_uploaded())
    await handled(worker, await read(worker, redis))
    await settled(worker, database)
    await database.execute(
        "UPDATE deliveries SET state = 'running', attempts = 3, due_at = now() - interval '1 second'"
    )

    assert await settled(worker, database) == [("dead", 3)]
    assert await database.rows("SELECT last_error FROM deliveries") == [
        ("its worker was gone before the last attempt ended",)
    ]


async def test_what_a_crashed_worker_had_read_is_handled_by_another(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    consumer = a_consumer(note)
    crashed, other = make_worker(consumer), make_worker(consumer)
    await publish(database, redis, a_file_uploaded(), a_file_uploaded())
    await read(crashed, redis)

    assert await other.sweep(STREAM, min_idle=0) == 2
    await settled(other, database)

    assert len(await database.rows("SELECT 1 FROM effects")) == 2
    assert (await redis.xpending(STREAM, "note"))["pending"] == 0


async def test_a_worker_that_leaves_hands_back_what_it_had_fetched(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    consumer = a_consumer(note)
    leaving, staying = make_worker(consumer), make_worker(consumer)
    await publish(database, redis, *(a_file_uploaded() for _ in range(3)))
    await read(leaving, redis)

    await leaving.leave()

    assert await settled(staying, database) == [("done", 1)] * 3  # an attempt that never began is not counted
    consumers = await redis.xinfo_consumers(STREAM, "note")
    assert [each["name"] for each in consumers] == []


async def test_a_delivery_whose_worker_died_while_trying_is_tried_again_and_the_attempt_counts(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await publish(database, redis, a_file_uploaded())
    await handled(worker, await read(worker, redis))
    await settled(worker, database)
    await database.execute("UPDATE deliveries SET state = 'running', due_at = now() - interval '1 second'")

    assert await settled(worker, database) == [("done", 2)]


async def test_an_attempt_that_lost_its_lease_commits_nothing(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def overtaken(session: AsyncSession, event: FileUploaded) -> None:
        await note(session, event)
        await database.execute("UPDATE deliveries SET attempts = attempts + 1")

    worker = make_worker(a_consumer(overtaken))
    await publish(database, redis, a_file_uploaded())

    await handled(worker, await read(worker, redis))
    await worker.attempts.drain(1)

    assert await database.rows("SELECT 1 FROM effects") == []


async def test_a_vanished_group_is_read_again_from_the_start(redis: Redis) -> None:
    await redis.xadd(STREAM, {"a": "1"})

    assert await redis.xreadgroup("late", "me", {STREAM: ">"}) == []
    answer: Any = await redis.xreadgroup("late", "me", {STREAM: ">"})
    assert len(answer[0][1]) == 1


async def test_sweepers_acknowledge_only_what_they_have_written_down(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    consumer = a_consumer(note)
    workers = [make_worker(consumer) for _ in range(6)]
    await publish(database, redis, *(a_file_uploaded() for _ in range(20)))
    await read(workers[0], redis)
    nowhere = create_engine("postgresql://nobody@127.0.0.1:9/none")
    for worker in workers:
        worker.sessions = session_factory(nowhere)

    await asyncio.gather(*(worker.sweep(STREAM, min_idle=0) for worker in workers), return_exceptions=True)

    assert (await redis.xpending(STREAM, "note"))["pending"] == 20
    await nowhere.dispose()


async def test_a_cancellation_that_is_the_handlers_own_is_its_failure(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def awaits_what_was_cancelled(session: AsyncSession, event: FileUploaded) -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    worker = make_worker(a_consumer(awaits_what_was_cancelled))
    await publish(database, redis, a_file_uploaded())

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 3)]


async def test_an_error_that_postgres_cannot_hold_is_noted_all_the_same(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def raises_half_a_character(session: AsyncSession, event: FileUploaded) -> None:
        raise RuntimeError("\udcff\0")

    worker = make_worker(a_consumer(raises_half_a_character))
    await publish(database, redis, a_file_uploaded())

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 3)]


async def test_a_suspect_is_tried_alone(make_worker: MakeWorker, database: Database, redis: Redis) -> None:
    together: list[set[str]] = []
    now_running: set[str] = set()

    async def watched(session: AsyncSession, event: FileUploaded) -> None:
        now_running.add(event.name)
        await asyncio.sleep(0.02)
        together.append(set(now_running))
        now_running.discard(event.name)

    worker = make_worker(a_consumer(watched))
    await publish(database, redis, *(a_file_uploaded(name=str(n)) for n in range(5)))
    await read(worker, redis)
    await worker.sweep(STREAM, min_idle=0)
    await database.execute("UPDATE deliveries SET state = 'running', due_at = now() - interval '1 second'")

    await settled(worker, database)

    assert [len(each) for each in together] == [1] * 5


@contextlib.contextmanager
def committed(database: Database) -> Iterator[list[Any]]:
    """A list that grows by one with each transaction that is committed inside."""
    commits: list[Any] = []
    listens_for(database.engine.sync_engine, "commit")(commits.append)
    yield commits


async def test_a_stop_hands_back_all_that_waits_for_a_place_at_once(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    """One transaction for each would not be over in time on a busy machine."""
    go, full = asyncio.Event(), asyncio.Barrier(17)

    async def waits(session: AsyncSession, event: FileUploaded) -> None:
        await full.wait()
        await go.wait()

    worker = make_worker(a_consumer(waits))
    await publish(database, redis, *(a_file_uploaded() for _ in range(320)))
    handling = asyncio.create_task(handled(worker, await read(worker, redis)))
    await full.wait()

    worker.attempts.stop_starting()
    with committed(database) as commits:
        await handling
    assert len(commits) == 1
    go.set()
    await worker.attempts.drain(5)

    rows = await database.rows("SELECT state, attempts, count(*) FROM deliveries GROUP BY 1, 2 ORDER BY 1")
    assert rows == [("done", 1, 16), ("due", 0, 304)]


async def test_an_event_that_the_outbox_has_forgotten_is_dead_and_says_so(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await publish(database, redis, a_file_uploaded())
    await read(worker, redis)
    await worker.sweep(STREAM, min_idle=0)
    await database.execute("DELETE FROM outbox")

    assert await settled(worker, database) == [("dead", 2)]
    ((error,),) = await database.rows("SELECT last_error FROM deliveries")
    assert "its event is no longer in the outbox" in error


async def test_entries_that_are_pending_and_gone_are_acknowledged(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await publish(database, redis, *(a_file_uploaded() for _ in range(3)))
    await read(worker, redis)
    await redis.xdel(STREAM, "1-0", "3-0")

    assert await worker.sweep(STREAM, min_idle=0) == 3

    assert (await redis.xpending(STREAM, "note"))["pending"] == 0
    assert await settled(worker, database) == [("done", 2)]
