"""What a batch costs does not grow with its events, beyond their effects."""

from collections import Counter

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import Effect
from domain.files.events import FileUploaded
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import handled, note, publish, read, settled
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
        await handled(worker, entries)

    assert await sent.verbs() == ["BEGIN", "COMMIT", "DELETE", "WITH"]


async def test_a_batch_that_was_handled_before_is_passed_by_with_one(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(no_op, batched=True))
    await publish(database, redis, *(a_file_uploaded() for _ in range(MANY)))
    entries = await read(worker, redis)
    await handled(worker, entries)

    with statements(database.engine) as sent:
        await handled(worker, entries)

    assert await sent.verbs() == ["BEGIN", "COMMIT", "WITH"]


async def _apart(effect: Effect, make_worker: MakeWorker, database: Database, redis: Redis) -> Counter[str]:
    """What is sent to handle so many, each by itself."""
    worker = make_worker(a_consumer(effect))
    await publish(database, redis, *(a_file_uploaded() for _ in range(MANY)))
    entries = await read(worker, redis)

    with statements(database.engine) as sent:
        await handled(worker, entries)
        await worker.attempts.drain(grace=30)
        verbs = await sent.verbs()

    assert await settled(worker, database) == [("done", 1)] * MANY
    return Counter(verbs)


async def test_the_end_of_an_effect_in_postgres_is_one_more_in_its_transaction(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    verbs = await _apart(note, make_worker, database, redis)

    assert verbs == Counter(WITH=1, DELETE=1, INSERT=MANY, UPDATE=MANY, BEGIN=1 + MANY, COMMIT=1 + MANY)


async def test_effects_elsewhere_share_the_statements_that_note_their_ends(
    make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    verbs = await _apart(no_op, make_worker, database, redis)

    assert verbs.pop("UPDATE") <= MANY / 2
    assert verbs == Counter(WITH=1, DELETE=1, BEGIN=1, COMMIT=1)
