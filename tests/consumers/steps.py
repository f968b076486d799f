"""What the tests of a worker do: publish, read, settle, and look at the effects."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.worker import ConsumerWorker
from domain.catalogue import STREAMS
from domain.event import Event
from domain.files.events import FileUploaded
from infra import streams
from outbox.relay import Relay
from tests.database import Database

STREAM = "waybill:files"
EFFECTS = "CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, subject uuid, note text)"


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
    """What FastStream would hand over to a worker that has begun: the next entries of the group."""
    await worker.subscribe()
    await streams.ensure_group(redis, STREAM, worker.consumer.name)
    answer: Any = await redis.xreadgroup(worker.consumer.name, worker.worker_id, {STREAM: ">"}, count=500)
    return list(answer[0][1]) if answer else []


async def handled(worker: ConsumerWorker, entries: Sequence[Any]) -> None:
    """Hand over what was read, as FastStream does; returns once it is acknowledged."""
    await worker.handle(STREAM, entries)
    await worker.finish_batches(grace=60)


async def settled(worker: ConsumerWorker, database: Database) -> list[tuple[str, int]]:
    """State and attempts of every delivery, once none is open any more."""
    while await database.rows("SELECT 1 FROM deliveries WHERE state IN ('due', 'running')"):
        await worker.take_due()
        await asyncio.sleep(0.005)
    return [tuple(row) for row in await database.rows("SELECT state, attempts FROM deliveries ORDER BY position")]


async def notes(database: Database) -> list[str]:
    """What the effects have noted, in the order in which they committed."""
    return [row.note for row in await database.rows("SELECT note FROM effects ORDER BY id")]
