"""Events of one subject are handled in order, whoever reads them and however often."""

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import new_id
from domain.files.events import FileUploaded
from outbox.delivery import Policy
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, handled, note, notes, publish, read, settled
from tests.database import Database
from tests.factories import a_file_uploaded


@pytest.mark.parametrize("batched", [True, False])
async def test_later_events_of_a_subject_wait_behind_a_failing_one_while_others_go_on(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    failures = iter([True, True])

    async def stumbles(session: AsyncSession, event: FileUploaded) -> None:
        if event.name == "first" and next(failures, False):
            raise RuntimeError("stumbled")
        await note(session, event)

    worker = make_worker(a_consumer(stumbles, batched=batched), max_attempts=5)
    subject = new_id()
    names = ["first", "second", "third"]
    await publish(
        database, redis, *(a_file_uploaded(file_id=subject, name=n) for n in names), a_file_uploaded(name="other")
    )

    await handled(worker, await read(worker, redis))
    await settled(worker, database)

    notes = [row.note for row in await database.rows("SELECT note FROM effects ORDER BY id")]
    assert [name for name in notes if name != "other"] == names
    assert notes.index("other") == 0


async def test_two_workers_keep_the_order_of_a_subject(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    consumer = a_consumer(note)
    first, second = make_worker(consumer), make_worker(consumer)
    subject = new_id()
    await publish(database, redis, a_file_uploaded(file_id=subject, name="1"))
    early = await read(first, redis)
    await publish(database, redis, a_file_uploaded(file_id=subject, name="2"))
    late = await read(second, redis)

    await handled(second, late)
    await handled(first, early)
    await settled(second, database)

    assert await database.rows("SELECT note FROM effects ORDER BY id") == [("1",), ("2",)]


@pytest.mark.parametrize("batched", [True, False])
async def test_a_group_that_is_read_again_does_not_let_an_event_overtake_one_that_is_due(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def stumbles(session: AsyncSession, event: FileUploaded) -> None:
        if event.name == "1":
            raise RuntimeError("stumbled")
        await note(session, event)

    worker = make_worker(a_consumer(stumbles, batched=batched))
    worker.attempts.policy = Policy(max_attempts=50, base=60)
    subject = new_id()
    await publish(database, redis, a_file_uploaded(file_id=subject, name="1"))
    await handled(worker, await read(worker, redis))
    await publish(database, redis, a_file_uploaded(file_id=subject, name="2"))
    await redis.xgroup_destroy(STREAM, "stumbles")

    await handled(worker, await read(worker, redis))
    await worker.attempts.drain(5)

    assert await notes(database) == []
    assert await database.rows("SELECT state FROM deliveries ORDER BY position") == [("due",), ("due",)]


async def test_a_long_backlog_of_one_subject_is_taken_quickly_and_in_order(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    subject = new_id()
    await publish(database, redis, *(a_file_uploaded(file_id=subject, name=f"{n:03}") for n in range(200)))
    await worker.sweep(STREAM, min_idle=0) if await read(worker, redis) else None

    await settled(worker, database)

    assert await notes(database) == [f"{n:03}" for n in range(200)]


async def test_a_batched_consumer_takes_what_is_due_of_a_subject_in_runs_and_in_order(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker, subject = make_worker(a_consumer(note, batched=True)), new_id()
    await publish(database, redis, *(a_file_uploaded(file_id=subject, name=str(n)) for n in range(1, 9)))
    await read(worker, redis)
    await worker.sweep(STREAM, min_idle=0)
    await database.execute("UPDATE deliveries SET due_at = now() + interval '1 hour' WHERE position = 4")

    assert await worker.take_due() == 3
    assert await notes(database) == ["1", "2", "3"]
    await database.execute("UPDATE deliveries SET due_at = now() WHERE position = 4")
    await database.execute("DELETE FROM deliveries WHERE position = 7")  # as if nobody had read it yet
    assert await worker.take_due() == 3

    assert await worker.take_due() == 0
    assert await notes(database) == ["1", "2", "3", "4", "5", "6"]
