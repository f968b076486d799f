"""Which events a consumer owes: all of its types for a new one, what comes from now on for a type added later."""

from dataclasses import replace

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import Consumer
from consumers.worker import ConsumerWorker
from domain.aggregate import new_id
from domain.files.events import FileAvailable, FileUploaded
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, handled, note, notes, publish, read, settled
from tests.database import Database
from tests.factories import a_file_available, a_file_uploaded


def handling_more(consumer: Consumer) -> Consumer:
    """A newer version of it, which handles file.available too."""
    return replace(consumer, event_types=dict(consumer.event_types) | {"file.available": FileAvailable})


async def work(worker: ConsumerWorker, database: Database, redis: Redis) -> None:
    await handled(worker, await read(worker, redis))
    await settled(worker, database)


async def test_a_new_consumer_handles_what_happened_before_it(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    await publish(database, redis, a_file_uploaded(name="long ago"))

    await work(make_worker(a_consumer(note)), database, redis)

    assert await notes(database) == ["long ago"]


async def test_later_events_do_not_wait_behind_those_of_a_type_that_was_added_later(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    consumer, subject = a_consumer(note), new_id()
    older, newer = make_worker(consumer), make_worker(handling_more(consumer))
    await publish(database, redis, a_file_available(file_id=subject, name="before"))
    await work(older, database, redis)

    await newer.subscribe()
    await publish(database, redis, a_file_uploaded(file_id=subject, name="after"))
    await work(newer, database, redis)

    assert await notes(database) == ["after"]


async def test_what_only_the_newer_of_two_versions_can_handle_is_left_to_it_by_the_older(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    consumer, subject = a_consumer(note), new_id()
    older, newer = make_worker(consumer), make_worker(handling_more(consumer))
    await older.subscribe()
    await newer.subscribe()
    names = [a_file_available(file_id=subject, name="1"), a_file_uploaded(file_id=subject, name="2")]
    await publish(database, redis, *names)

    await handled(older, await read(older, redis))
    await older.take_due()
    assert await notes(database) == []
    await settled(newer, database)

    assert await notes(database) == ["1", "2"]


async def test_a_group_that_is_read_again_leaves_out_what_was_never_owed(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    consumer = a_consumer(note)
    await publish(database, redis, a_file_available(name="before"))
    await work(make_worker(consumer), database, redis)
    await publish(database, redis, a_file_uploaded(name="first"))
    await work(make_worker(consumer), database, redis)
    newer = make_worker(handling_more(consumer))
    await newer.subscribe()
    await redis.xgroup_destroy(STREAM, consumer.name)

    await work(newer, database, redis)

    assert await notes(database) == ["first"]


async def test_due_deliveries_of_a_batched_consumer_share_a_transaction_and_fall_apart_where_one_fails(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    batches: list[int] = []

    async def stumbles(session: AsyncSession, event: FileUploaded) -> None:
        batches.append(id(session))
        if event.name == "bad":
            raise RuntimeError("stumbled")
        await note(session, event)

    worker = make_worker(a_consumer(stumbles, batched=True))
    await publish(database, redis, *(a_file_uploaded(name=name) for name in ["a", "bad", "b"]))
    await handled(worker, await read(worker, redis))
    await settled(worker, database)
    await database.execute("UPDATE deliveries SET state = 'due', attempts = 0, due_at = now() WHERE state = 'done'")
    batches.clear()

    assert sorted(await settled(worker, database)) == [("dead", 3), ("done", 1), ("done", 1)]

    assert len(batches) == 2
    assert len(set(batches)) == 1
