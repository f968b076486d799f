"""The real relay and the real workers on a real Postgres and Valkey, one step at a time, and what may befall them."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.attempts import Attempts
from consumers.subscription import Consumer
from consumers.worker import ConsumerWorker
from domain.aggregate import new_id, now
from domain.catalogue import STREAMS
from domain.files.events import FileUploaded
from infra.streams import ensure_group
from outbox import retention
from outbox.delivery import Policy
from outbox.message import OutboxMessage
from outbox.relay import Relay
from tests.consumers.steps import STREAM, handled, read
from tests.database import Database
from tests.factories import a_file_uploaded

ARCHIVE = "CREATE TABLE archive (position bigint PRIMARY KEY, subject uuid, name text)"
REMEMBER = """
INSERT INTO archive SELECT position, subject, data->>'name' FROM outbox WHERE position > 0 ON CONFLICT DO NOTHING
"""
POLICY = Policy(max_attempts=1000, base=0.001)


@dataclass
class World:
    database: Database
    redis: Redis
    connections: Sequence[asyncpg.Connection]
    consumer: Consumer
    relays: list[Relay] = field(default_factory=list)
    workers: list[ConsumerWorker] = field(default_factory=list)
    subjects: Sequence[UUID] = ()
    transactions: list[AsyncSession] = field(default_factory=list)
    snapshot: bytes | None = None
    _serial: "itertools.count[int]" = field(default_factory=itertools.count)

    async def begin(self) -> None:
        """Everything empty; two relays, two workers, two subjects."""
        await self.database.execute("TRUNCATE outbox, deliveries, effects, subscriptions, archive")
        await self.redis.flushall()
        self.relays = [Relay(connection, self.redis, STREAMS) for connection in self.connections]
        self.workers = [self._worker(), self._worker()]
        self.subjects = [new_id(), new_id()]
        self.snapshot = None
        await self.workers[0].subscribe()

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.attempts.drain(1)

    # What applications do.

    async def record(self, subject: int, kinds: Sequence[str]) -> None:
        await self.database.record(*(self._event(subject, kind) for kind in kinds))

    async def open_transaction(self, subject: int, kind: str) -> None:
        session = self.database.session()
        session.add(OutboxMessage.carrying(self._event(subject, kind)))
        await session.flush()
        self.transactions.append(session)

    async def end_transaction(self, *, commit: bool) -> None:
        session = self.transactions.pop(0)
        await (session.commit() if commit else session.rollback())
        await session.close()

    # What relays and workers do.

    async def relay(self, which: int, *, restarted: bool = False) -> None:
        if restarted:
            self.relays[which] = Relay(self.connections[which], self.redis, STREAMS)
        await self.relays[which].step()

    async def handle(self, which: int) -> None:
        if entries := await read(self.workers[which], self.redis):
            await handled(self.workers[which], entries)

    async def handle_without_acknowledging(self, which: int) -> None:
        """As one that dies after its commit."""
        if entries := await read(self.workers[which], self.redis):
            await handled(replace(self.workers[which], redis=Deaf()), entries)

    async def read_and_forget(self, which: int) -> None:
        """As one that dies before its claim."""
        await read(self.workers[which], self.redis)

    async def sweep(self, which: int) -> None:
        await ensure_group(self.redis, STREAM, self.consumer.name)
        await self.workers[which].sweep(STREAM, min_idle=0)

    async def take_due(self, which: int) -> None:
        await self.workers[which].take_due()

    async def lapse(self) -> None:
        """Whoever is trying something has been silent for too long, and has not noticed."""
        await self.database.execute("UPDATE deliveries SET due_at = now() WHERE state = 'running'")

    # What retention does; everything is old enough.

    async def prune(self) -> None:
        """Its first half: rows go, their entries stay; `archive` remembers what there was."""
        async with self.database.sessions.begin() as session:
            await session.execute(text(REMEMBER))
            await retention.prune(session, before=now() + timedelta(days=1), after=0)

    async def trim(self) -> None:
        """Its second half, over the whole stream."""
        async with self.database.sessions() as session:
            newest = await session.scalar(text("SELECT max(position) FROM outbox")) or 0
            await retention.trim(session, self.redis, STREAMS, after=0, upto=newest)

    # What befalls Redis.

    async def save(self) -> None:
        self.snapshot = await self.redis.dump(STREAM)

    async def fall_back(self) -> None:
        """To the snapshot: entries, last id, group and what was pending in it."""
        if self.snapshot is None:
            await self.redis.delete(STREAM)
        else:
            await self.redis.restore(STREAM, 0, self.snapshot, replace=True)

    async def lose_everything(self) -> None:
        await self.redis.flushall()

    async def lose_tail_and_group(self) -> None:
        """The first entries come back under their ids, and nothing else."""
        entries: Any = await self.redis.xrange(STREAM)
        await self.redis.delete(STREAM)
        for entry_id, fields in entries[: len(entries) // 2]:
            await self.redis.xadd(STREAM, fields, id=entry_id)

    def _event(self, subject: int, kind: str) -> FileUploaded:
        return a_file_uploaded(file_id=self.subjects[subject], name=f"{kind} {next(self._serial)}")

    def _worker(self) -> ConsumerWorker:
        attempts = Attempts(self.consumer, self.database.sessions, POLICY, {})
        name = f"worker-{next(self._serial)}"
        return ConsumerWorker(self.consumer, name, self.database.sessions, self.redis, attempts, asyncio.Event())


class Deaf(Redis):
    """For a worker that is gone before its acknowledgement is."""

    async def xack(self, *_: Any) -> int:
        return 0
