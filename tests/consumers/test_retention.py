"""What retention has forgotten stays handled, whatever an older Redis brings back."""

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.aggregate import now
from domain.catalogue import STREAMS
from outbox import retention
from tests.consumers.conftest import MakeWorker, a_consumer
from tests.consumers.steps import STREAM, handled, note, notes, publish, read, settled
from tests.database import Database
from tests.factories import a_file_uploaded


@pytest.mark.parametrize("batched", [True, False])
async def test_a_redis_restored_from_before_retention_brings_no_effect_back(
    batched: bool, make_worker: MakeWorker, database: Database, redis: Redis
) -> None:
    worker = make_worker(a_consumer(note, batched=batched))
    await publish(database, redis, *(a_file_uploaded(name=name) for name in "abcd"))
    entries = await read(worker, redis)
    snapshot: Any = await redis.dump(STREAM)
    await handled(worker, entries)
    await settled(worker, database)
    async with database.sessions.begin() as session:
        reached = await retention.prune(session, before=now() + timedelta(days=1), after=0)
        await retention.trim(session, redis, STREAMS, after=0, upto=reached)

    await redis.restore(STREAM, 0, snapshot, replace=True)  # with its group, in which all four are pending
    await worker.sweep(STREAM, min_idle=0)
    await redis.xgroup_destroy(STREAM, worker.consumer.name)
    await handled(worker, await read(worker, redis))
    await settled(worker, database)

    assert sorted(await notes(database)) == list("abcd")
    assert (await redis.xpending(STREAM, worker.consumer.name))["pending"] == 0
    assert await database.rows("SELECT position FROM deliveries") == [(4,)]
