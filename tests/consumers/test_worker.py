"""Effects happen once per event; what fails is retried, then dead; nothing is stranded."""

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.app import Client
from consumers.subscription import Unmendable
from domain.aggregate import new_id
from domain.files.events import FileUploaded
from infra import streams
from infra.settings import Settings
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, handled, note, publish, read, settled
from tests.database import Database
from tests.factories import a_file_uploaded, an_account


@pytest.mark.parametrize("batched", [True, False])
async def test_effect_and_delivery_commit_together_and_the_entry_is_acknowledged(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note, batched=batched))
    await publish(database, redis, *(a_file_uploaded() for _ in range(5)))

    await handled(worker, await read(worker, redis))

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

    await handled(worker, entries)
    await settled(worker, database)
    await handled(worker, entries)
    await settled(worker, database)

    assert len(await database.rows("SELECT 1 FROM effects")) == 1


async def test_what_was_handled_before_is_passed_over_in_large_bites_and_the_rest_is_begun_in_small_ones(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await publish(database, redis, *(a_file_uploaded() for _ in range(30)))
    entries = await read(worker, redis)
    first, others = entries[:16], entries[16:20]

    bites = []
    for read_now in (first, first, others, others):  # the others are few: that is no catching up
        await handled(worker, read_now)
        await settled(worker, database)
        bites.append(worker.bite)

    assert bites == [16, 500, 16, 16]


async def test_a_worker_reads_as_much_as_its_consumer_wants(
    make_worker: MakeWorker, database: Database, redis: Redis, settings: Settings
) -> None:
    worker = make_worker(a_consumer(note))
    client = Client.of(settings.redis_url)
    client.workers = {"note": worker}
    await publish(database, redis, *(a_file_uploaded() for _ in range(30)))
    await streams.ensure_group(redis, STREAM, "note")

    ((_, entries),) = await client.xreadgroup("note", "somebody", {STREAM: ">"}, count=1)
    await client.aclose()

    assert len(entries) == worker.bite == 16


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

    await handled(worker, await read(worker, redis))

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

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 3)]


@pytest.mark.parametrize("batched", [True, False])
async def test_a_statement_that_fails_is_the_handlers_failure(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def divides_by_zero(session: AsyncSession, event: FileUploaded) -> None:
        await session.execute(text("SELECT 1 / 0"))

    worker = make_worker(a_consumer(divides_by_zero, batched=batched))
    await publish(database, redis, a_file_uploaded())

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 3)]


async def test_an_effect_that_only_its_commit_would_write_is_not_done_where_that_fails(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    there = await database.save(an_account())

    async def adds_what_is_there(session: AsyncSession, event: FileUploaded) -> None:
        session.add(an_account(id=there.id))

    worker = make_worker(a_consumer(adds_what_is_there), max_attempts=1)
    await publish(database, redis, a_file_uploaded())

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 1)]


async def test_what_retrying_cannot_mend_is_dead_at_once(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    async def hopeless(session: AsyncSession, event: FileUploaded) -> None:
        raise Unmendable("never")

    worker = make_worker(a_consumer(hopeless))
    await publish(database, redis, a_file_uploaded())

    await handled(worker, await read(worker, redis))

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

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("done", 3)]
    assert len(await database.rows("SELECT 1 FROM effects")) == 1


async def test_types_that_a_consumer_does_not_know_are_acknowledged_and_left_alone(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note))
    await redis.xadd(STREAM, {"type": "file.invented", "id": str(new_id()), "subject": str(new_id()), "data": "{}"})
    await redis.xadd(STREAM, {"type": "file.uploaded", "id": "no uuid"})

    await handled(worker, await read(worker, redis))

    assert await database.rows("SELECT 1 FROM deliveries") == []
    assert (await redis.xpending(STREAM, "note"))["pending"] == 0


async def test_what_the_outbox_does_not_know_is_nobodys_to_handle(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note, batched=True))
    await publish(database, redis, a_file_uploaded())
    entries = await read(worker, redis)
    await database.execute("DELETE FROM outbox")

    await handled(worker, entries)

    assert await database.rows("SELECT 1 FROM deliveries") == []


async def test_an_event_that_cannot_be_decoded_is_dead_with_its_reason(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note, batched=True))
    (message,) = await database.record(a_file_uploaded())
    await database.execute("UPDATE outbox SET data = '[\"no file\"]' WHERE event_id = :id", id=message.event_id)
    await publish(database, redis)

    await handled(worker, await read(worker, redis))

    assert await settled(worker, database) == [("dead", 1)]
    ((error,),) = await database.rows("SELECT last_error FROM deliveries")
    assert "not a file.uploaded" in error
