"""Effects happen once per event and in order per subject; what fails is retried, then dead; nothing is stranded."""

import asyncio
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import Unmendable
from consumers.worker import ConsumerWorker
from domain.aggregate import new_id
from domain.catalogue import STREAMS
from domain.event import Event
from domain.files.events import FileUploaded
from infra import streams
from outbox.relay import Relay
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.database import Database
from tests.factories import a_file_uploaded

STREAM = "waybill:files"
EFFECTS = "CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, subject uuid, note text)"


@pytest.fixture(autouse=True)
async def effects(database: Database) -> None:
    await database.execute(EFFECTS)


async def note(session: AsyncSession, event: FileUploaded) -> None:
    await session.execute(
        text("INSERT INTO effects (subject, note) VALUES (:s, :n)"), {"s": event.file_id, "n": event.name}
    )


async def publish(database: Database, redis: Redis, *events: Event) -> None:
    await database.record(*events)
    connection: asyncpg.Connection = await database.connect()
    await Relay(connection, redis, STREAMS).step()
    await connection.close()


async def read(worker: ConsumerWorker, redis: Redis) -> list[Any]:
    """What FastStream would hand over: the next entries of the group."""
    await streams.ensure_group(redis, STREAM, worker.consumer.name)
    answer: Any = await redis.xreadgroup(worker.consumer.name, worker.worker_id, {STREAM: ">"}, count=500)
    return list(answer[0][1]) if answer else []


async def settled(worker: ConsumerWorker, database: Database) -> list[tuple[str, int]]:
    """State and attempts of every delivery, once none is open any more."""
    while await database.rows("SELECT 1 FROM deliveries WHERE state IN ('due', 'running')"):
        await worker.take_due()
        await asyncio.sleep(0.005)
    return [tuple(row) for row in await database.rows("SELECT state, attempts FROM deliveries ORDER BY position")]


@pytest.mark.parametrize("batched", [True, False])
async def test_effect_and_delivery_commit_together_and_the_entry_is_acknowledged(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note, batched=batched))
    await publish(database, redis, *(a_file_uploaded() for _ in range(5)))

    await worker.handle(STREAM, await read(worker, redis))

    assert await settled(worker, database) == [("done", 1)] * 5
    assert len(await database.rows("SELECT 1 FROM effects")) == 5
    assert (await redis.xpending(STREAM, "note"))["pending"] == 0


@pytest.mark.parametrize("batched", [True, False])
async def test_a_second_delivery_of_an_event_finds_nothing_to_do(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note, batched=batched))
    await publish(database, redis, a_file_uploaded())
    entries = await read(worker, redis)

    await worker.handle(STREAM, entries)
    await settled(worker, database)
    await worker.handle(STREAM, entries)
    await settled(worker, database)

    assert len(await database.rows("SELECT 1 FROM effects")) == 1


@pytest.mark.parametrize("batched", [True, False])
async def test_one_failing_event_leaves_its_neighbours_unharmed(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def fails_on_poison(session: AsyncSession, event: FileUploaded) -> None:
        await note(session, event)
        if event.name == "poison":
            raise RuntimeError("cannot stomach this")

    worker = make_worker(a_consumer(fails_on_poison, batched=batched))
    await publish(database, redis, a_file_uploaded(), a_file_uploaded(name="poison"), a_file_uploaded())

    await worker.handle(STREAM, await read(worker, redis))

    assert await settled(worker, database) == [("done", 1), ("dead", 3), ("done", 1)]
    assert await database.rows("SELECT note FROM effects") == [("report.pdf",), ("report.pdf",)]
    ((error,),) = await database.rows("SELECT last_error FROM deliveries WHERE state = 'dead'")
    assert "RuntimeError: cannot stomach this" in error
    assert "Traceback" in error


@pytest.mark.parametrize("batched", [True, False])
async def test_a_handler_whose_own_io_fails_is_not_mistaken_for_a_database_that_is_away(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def refused(session: AsyncSession, event: FileUploaded) -> None:
        raise ConnectionRefusedError

    worker = make_worker(a_consumer(refused, batched=batched))
    await publish(database, redis, a_file_uploaded())

    await worker.handle(STREAM, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 3)]


@pytest.mark.parametrize("batched", [True, False])
async def test_a_statement_that_fails_is_the_handlers_failure(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def divides_by_zero(session: AsyncSession, event: FileUploaded) -> None:
        await session.execute(text("SELECT 1 / 0"))

    worker = make_worker(a_consumer(divides_by_zero, batched=batched))
    await publish(database, redis, a_file_uploaded())

    await worker.handle(STREAM, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 3)]


async def test_an_event_that_kills_every_worker_is_dead_after_the_last_attempt(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note), max_attempts=3)
    await publish(database, redis, a_file_uploaded())
    await worker.handle(STREAM, await read(worker, redis))
    await settled(worker, database)
    await database.execute(
        "UPDATE deliveries SET state = 'running', attempts = 3, due_at = now() - interval '1 second'"
    )

    assert await settled(worker, database) == [("dead", 3)]
    assert await database.rows("SELECT last_error FROM deliveries") == [
        ("its worker was gone before the last attempt ended",)
    ]


async def test_what_retrying_cannot_mend_is_dead_at_once(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def hopeless(session: AsyncSession, event: FileUploaded) -> None:
        raise Unmendable("never")

    worker = make_worker(a_consumer(hopeless))
    await publish(database, redis, a_file_uploaded())

    await worker.handle(STREAM, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 1)]


async def test_a_failure_that_passes_is_retried_until_it_works(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    tries: list[int] = []

    async def works_the_third_time(session: AsyncSession, event: FileUploaded) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        await note(session, event)

    worker = make_worker(a_consumer(works_the_third_time))
    await publish(database, redis, a_file_uploaded())

    await worker.handle(STREAM, await read(worker, redis))

    assert await settled(worker, database) == [("done", 3)]
    assert len(await database.rows("SELECT 1 FROM effects")) == 1


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

    await worker.handle(STREAM, await read(worker, redis))
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

    await second.handle(STREAM, late)
    await first.handle(STREAM, early)
    await settled(second, database)

    assert await database.rows("SELECT note FROM effects ORDER BY id") == [("1",), ("2",)]


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

    assert await settled(staying, database) == [("done", 2)] * 3
    consumers = await redis.xinfo_consumers(STREAM, "note")
    assert [each["name"] for each in consumers] == []


async def test_a_delivery_whose_worker_died_while_trying_is_tried_again_and_the_attempt_counts(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await publish(database, redis, a_file_uploaded())
    await worker.handle(STREAM, await read(worker, redis))
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

    await worker.handle(STREAM, await read(worker, redis))
    await worker.attempts.drain(1)

    assert await database.rows("SELECT 1 FROM effects") == []


async def test_types_that_a_consumer_does_not_know_are_acknowledged_and_left_alone(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await redis.xadd(STREAM, {"type": "file.invented", "id": str(new_id()), "subject": str(new_id()), "data": "{}"})
    await redis.xadd(STREAM, {"type": "file.uploaded", "id": "no uuid"})

    await worker.handle(STREAM, await read(worker, redis))

    assert await database.rows("SELECT 1 FROM deliveries") == []
    assert (await redis.xpending(STREAM, "note"))["pending"] == 0


async def test_an_event_that_cannot_be_decoded_is_dead_with_its_reason(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note, batched=True))
    fields: Any = {"type": "file.uploaded", "id": str(new_id()), "subject": str(new_id()), "data": "{broken"}
    await redis.xadd(STREAM, fields, id="1-0")

    await worker.handle(STREAM, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 1)]
    ((error,),) = await database.rows("SELECT last_error FROM deliveries")
    assert "not a file.uploaded" in error


async def test_a_vanished_group_is_read_again_from_the_start(redis: Redis) -> None:
    await redis.xadd(STREAM, {"a": "1"})

    assert await redis.xreadgroup("late", "me", {STREAM: ">"}) == []
    answer: Any = await redis.xreadgroup("late", "me", {STREAM: ">"})
    assert len(answer[0][1]) == 1
