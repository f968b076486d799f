"""What a batch costs does not grow with its events, beyond their effects."""

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import Effect
from domain.files.events import FileUploaded
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, note, publish, read, settled
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.statements import statements

MANY = 50


async def no_op(session: AsyncSession, event: FileUploaded) -> None:
    """Nothing."""


@pytest.mark.parametrize("count", [1, MANY])
async def test_a_batch_is_claimed_by_two_statements(
    count: int, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(no_op, batched=True))
    await publish(database, redis, *(a_file_uploaded() for _ in range(count)))
    entries = await read(worker, redis)

    with statements(database.engine) as sent:
        await worker.handle(STREAM, entries)

    assert await sent.verbs() == ["BEGIN", "COMMIT", "DELETE", "WITH"]


async def test_a_batch_that_was_handled_before_is_passed_by_with_one(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(no_op, batched=True))
    await publish(database, redis, *(a_file_uploaded() for _ in range(MANY)))
    entries = await read(worker, redis)
    await worker.handle(STREAM, entries)

    with statements(database.engine) as sent:
        await worker.handle(STREAM, entries)

    assert await sent.verbs() == ["BEGIN", "COMMIT", "WITH"]


@pytest.mark.parametrize(
    ("effect", "each"),
    [
        (no_op, ["UPDATE"]),
        (note, ["BEGIN", "INSERT", "UPDATE", "COMMIT"]),
    ],
)
async def test_what_is_handled_apart_takes_one_more_for_each_beside_its_transaction_if_it_has_one(
    effect: Effect, each: list[str], make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(effect))
    await publish(database, redis, *(a_file_uploaded() for _ in range(MANY)))
    entries = await read(worker, redis)

    with statements(database.engine) as sent:
        await worker.handle(STREAM, entries)
        await worker.attempts.drain(grace=30)
        verbs = await sent.verbs()

    assert await settled(worker, database) == [("done", 1)] * MANY
    assert verbs == sorted(["BEGIN", "COMMIT", "DELETE", "WITH", *each * MANY])
