"""One consumer at work in this process: new entries, due deliveries, what crashed workers left, and a clean stop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.attempts import Attempts, Task, is_being_cancelled
from consumers.entry import Fields, Received, received
from consumers.loops import RETRY_SECONDS, quietly
from consumers.subscription import Consumer
from infra import streams
from infra.connection import DatabaseUnreachable
from infra.failpoints import failpoint
from infra.telemetry import one_line
from infra.waiting import pause
from outbox import taking
from outbox.claims import claim
from outbox.delivery import Arrival, State, Ticket
from outbox.session import Sessions
from outbox.subscriptions import subscribe

log = structlog.get_logger(__name__)

BATCH = 500
CONCURRENT_BATCH = 16
"""What waits for S3 is read in smaller bites: many workers can share a burst, and one that dies has claimed little."""
BATCHES_AT_ONCE = 3
DUE_BATCH = 500
"""Due deliveries that share a transaction, where the consumer is a batched one."""
DATA_OF = text("SELECT position, CAST(data AS text), traceparent FROM outbox WHERE position = ANY(:positions)")
Entries = Sequence[tuple[bytes, Fields]]


@dataclass
class ConsumerWorker:
    consumer: Consumer
    worker_id: str
    sessions: Sessions
    redis: Redis
    attempts: Attempts
    stop: asyncio.Event
    _at_work: dict[asyncio.Task[None], set[UUID]] = field(default_factory=dict)
    """Batches that are being handled while the next is read, and whom they concern."""
    _is_catching_up: bool = False

    @property
    def bite(self) -> int:
        """How many entries to read next: many where a full one held nothing new, as after Redis has lost everything."""
        return BATCH if self.consumer.batched or self._is_catching_up else CONCURRENT_BATCH

    async def subscribe(self) -> int:
        """Say what we handle, before anything is read. Returns how many types."""
        async with self.sessions.begin() as session:
            await subscribe(session, self.consumer.name, self.consumer.event_types)
        return len(self.consumer.event_types)

    async def handle(self, stream: str, entries: Entries) -> None:
        """Handle what has been read while the next batch is being read, then acknowledge it.

        Several batches are handled at once, so that Postgres and we need not wait in turns, and no place is empty while
        the next events are claimed; but not if they share a subject, since the later one's events would have to be put
        off, each by itself. Returns when there is room for another: nothing is read that nobody begins. What nobody has
        begun when we are to stop is swept like anything else that was fetched.
        """
        batch = received(entries)
        subjects = {entry.arrival.subject for entry in batch if entry.arrival.type in self.consumer.event_types}
        await self._wait_until(lambda: all(map(subjects.isdisjoint, self._at_work.values())))
        if not self.stop.is_set():
            ids = [entry_id for entry_id, _ in entries]
            self._at_work[asyncio.create_task(self._handle_quietly(stream, ids, batch))] = subjects
        await self._wait_until(lambda: len(self._at_work) < BATCHES_AT_ONCE)

    async def _wait_until(self, holds: Callable[[], bool]) -> None:
        """Of the batches at work."""
        while not holds():
            ended, _ = await asyncio.wait(self._at_work, return_when=asyncio.FIRST_COMPLETED)
            for batch in ended:
                self._at_work.pop(batch, None)  # or whoever reads another stream has seen it first

    async def finish_batches(self, grace: float) -> None:
        """Wait so long for what has begun; nothing of the rest has happened."""
        if begun := list(self._at_work):
            await asyncio.wait(begun, timeout=grace)
        for batch in begun:
            batch.cancel()
        await asyncio.gather(*begun, return_exceptions=True)

    async def _handle_quietly(self, stream: str, ids: Sequence[bytes], batch: Sequence[Received]) -> None:
        await self.quietly(partial(self._handle, stream, ids, batch))

    async def _handle(self, stream: str, ids: Sequence[bytes], batch: Sequence[Received]) -> None:
        failpoint("consumer.before_claim")
        while not self.stop.is_set():
            try:
                await (self._handle_together(batch) if self.consumer.batched else self._handle_apart(batch))
            except (DBAPIError, DatabaseUnreachable, PoolTimeout) as error:
                # A handler's own errors never come here: what could not be done is the claim, and it can be done later.
                log.warning("consumer.waits_for_postgres", consumer=self.consumer.name, error=one_line(error))
                await pause(self.stop, RETRY_SECONDS)
            else:
                failpoint("consumer.before_ack")
                await self.redis.xack(stream, self.consumer.name, *ids)
                return

    async def _handle_together(self, batch: Sequence[Received]) -> None:
        """All effects in one transaction; if one fails, none has happened, and each is tried alone."""
        began = time.perf_counter()
        try:
            async with self.attempts.solitude.among_others(), self.sessions.begin() as session:
                tasks = self._tasks(batch, await self._claim(session, batch, State.DONE))
                for task in tasks:
                    await self.attempts.effect(session, task)
                failpoint("consumer.before_batch_commit")
        except (Exception, asyncio.CancelledError) as error:
            if is_being_cancelled():
                raise
            log.warning("consumer.batch_failed", consumer=self.consumer.name, size=len(batch), error=one_line(error))
            await self._handle_apart(batch)
            return
        self.attempts.done(tasks, began)

    async def _handle_apart(self, batch: Sequence[Received]) -> None:
        """Claim first: from then on Postgres holds the promise. Each effect has a transaction of its own."""
        async with self.sessions.begin() as session:
            claimed = await self._claim(session, batch, State.RUNNING)
        failpoint("consumer.after_claim")
        self._is_catching_up = not claimed and len(batch) >= CONCURRENT_BATCH
        await self.attempts.submit(self._tasks(batch, claimed))

    def _tasks(self, batch: Sequence[Received], claimed: Sequence[Arrival]) -> list[Task]:
        read = {entry.arrival.position: entry for entry in batch}
        found = [(read[arrival.position], _first_ticket(self.consumer.name, arrival)) for arrival in claimed]
        return [Task(ticket, entry.data, entry.traceparent) for entry, ticket in found]

    async def _claim(
        self, session: AsyncSession, batch: Sequence[Received], state: State, *, attempts: int = 1
    ) -> list[Arrival]:
        arrivals = [entry.arrival for entry in batch]
        types, lease = list(self.consumer.event_types), self.attempts.policy.lease
        name = self.consumer.name
        taken = await claim(session, name, types, arrivals, state=state, lease=lease, attempts=attempts)
        if len(taken) < sum(arrival.type in self.consumer.event_types for arrival in arrivals):
            self.attempts.has_due = True  # some wait behind another
        return taken

    async def take_due(self) -> int:
        """Try what is due: retries, hand-backs, replays, and what waited behind an earlier event.

        A delivery whose worker is gone comes first, and nothing else is taken while it is tried. Where all places are
        taken, one waits for its turn among what has been read: a backlog of new events keeps no old one waiting.
        """
        if self.stop.is_set():
            return 0
        async with self.sessions.begin() as session:
            suspect = await self._take_lapsed(session)
            is_last = suspect is not None and suspect.attempt >= self.attempts.policy.max_attempts
            if is_last:
                await session.rollback()
            else:
                taken = [suspect] if suspect else await self._take_due(session)
                tasks = await _with_data(session, taken)
        if is_last:
            return await self._try_last()
        if not taken:
            return 0
        failpoint("due.after_take")
        if suspect:
            if begun := await self.attempts.submit(tasks):
                await asyncio.wait(begun, timeout=self._lease_seconds)
        elif self.consumer.batched:
            await self.attempts.together(tasks)
        else:
            await self.attempts.submit(tasks)
        return len(taken)

    async def _try_last(self) -> int:
        """Nothing else of this process is at work meanwhile.

        It is taken only then: whoever waited for its turn with its last attempt counted would be given up, without
        having had it, when the one before it ends the process.
        """
        async with self.attempts.solitude.alone(within=self._lease_seconds):
            async with self.sessions.begin() as session:
                suspect = await self._take_lapsed(session)
                tasks = await _with_data(session, [suspect] if suspect else [])
            failpoint("due.after_take")
            for task in tasks:
                await self.attempts.alone(task)
        return len(tasks)

    async def _take_lapsed(self, session: AsyncSession) -> Ticket | None:
        name, types = self.consumer.name, self.consumer.event_types
        return await taking.take_lapsed(session, name, types, self.attempts.policy)

    async def _take_due(self, session: AsyncSession) -> list[Ticket]:
        name, types, policy = self.consumer.name, self.consumer.event_types, self.attempts.policy
        if self.consumer.batched:
            return await taking.take_due(session, name, types, policy, limit=DUE_BATCH, in_runs=True)
        return await taking.take_due(session, name, types, policy, limit=max(1, self.attempts.free))

    async def sweep(self, stream: str, *, min_idle: float, owner: str | None = None) -> int:
        """Make due what a worker read and never acknowledged, then acknowledge it in its stead.

        Args:
            stream: whose entries.
            min_idle: seconds since they were read.
            owner: only what this worker had read; by default what any had.

        Returns:
            How many entries there were.

        """
        pending: Any = await self.redis.xpending_range(
            stream, self.consumer.name, "-", "+", 500, consumername=owner, idle=int(min_idle * 1000)
        )
        if not pending:
            return 0
        ids = [entry["message_id"] for entry in pending]
        # XCLAIM takes only what still idles so long: of two sweepers one gets an entry, and acknowledges only that.
        claimed: Any = await self.redis.xclaim(stream, self.consumer.name, self.worker_id, int(min_idle * 1000), ids)
        entries = [(entry_id, fields) for entry_id, fields in claimed if entry_id is not None]
        failpoint("sweep.after_claim")
        gone = await streams.missing(self.redis, stream, set(ids) - {entry_id for entry_id, _ in entries})
        if gone:  # retention removed them, so they were finished; a Redis before 7 keeps them pending all the same
            await self.redis.xack(stream, self.consumer.name, *gone)
        if not entries:
            return len(gone)
        async with self.sessions.begin() as session:
            batch = received(entries)
            await self._claim(session, batch, State.DUE, attempts=0 if owner == self.worker_id else 1)
        failpoint("sweep.before_ack")
        await self.redis.xack(stream, self.consumer.name, *(entry_id for entry_id, _ in entries))
        self.attempts.notice_due()
        log.info("consumer.swept", consumer=self.consumer.name, stream=stream, entries=len(entries), owner=owner)
        return len(entries) + len(gone)

    async def leave(self) -> None:
        """Hand back what was fetched and not handled, so that nothing waits for a time-out; then leave the groups."""
        for stream in self.consumer.streams:
            while await self.quietly(partial(self.sweep, stream, min_idle=0, owner=self.worker_id)):
                continue
            await self.quietly(partial(streams.leave_group, self.redis, stream, self.consumer.name, self.worker_id))

    async def try_due(self) -> None:
        """Whenever we are woken: by what ended here, or because somebody saw that something is due."""
        while not self.stop.is_set():
            await self.attempts.wake.wait()
            self.attempts.wake.clear()
            while not self.stop.is_set() and await self.quietly(self.take_due):
                continue

    async def keep_leases(self) -> None:
        while not self.stop.is_set():
            await pause(self.stop, self._lease_seconds / 3)
            while await self.quietly(self.attempts.renew) is None and not self.stop.is_set():
                continue  # a lease that cannot be renewed lapses: try again at once, not after another third of it

    async def look_for_abandoned(self) -> None:
        while not self.stop.is_set():
            await pause(self.stop, self._lease_seconds / 2)
            for stream in self.consumer.streams:
                await self.quietly(partial(self.sweep, stream, min_idle=2 * self._lease_seconds))

    @property
    def _lease_seconds(self) -> float:
        return self.attempts.policy.lease.total_seconds()

    async def quietly(self, look: Callable[[], Awaitable[int | None]]) -> int | None:
        retry = min(RETRY_SECONDS, self._lease_seconds / 6)
        return await quietly(look, self.stop, retry=retry, consumer=self.consumer.name)


async def _with_data(session: AsyncSession, taken: Sequence[Ticket]) -> list[Task]:
    rows = await session.execute(DATA_OF, {"positions": [ticket.position for ticket in taken]}) if taken else ()
    known = {row.position: (row.data, row.traceparent) for row in rows}
    return [Task(ticket, *known.get(ticket.position, (None, None))) for ticket in taken]


def _first_ticket(consumer: str, arrival: Arrival) -> Ticket:
    return Ticket(consumer, arrival.position, arrival.event_id, arrival.subject, arrival.type, attempt=1)
