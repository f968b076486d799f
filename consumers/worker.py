"""One consumer at work in this process: new entries, due deliveries, what crashed workers left, and a clean stop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.attempts import Attempts, Task, one_line
from consumers.entry import Fields, Received, received
from consumers.subscription import Consumer
from infra.database import DatabaseUnreachable, is_away
from outbox import delivery
from outbox.delivery import Arrival, State, Ticket
from outbox.relay import pause
from outbox.session import Sessions

log = structlog.get_logger(__name__)

DUE_POLL_SECONDS = 0.25
RETRY_SECONDS = 1.0
"""How long a batch waits before it is tried again while Postgres is away."""
DATA_OF = text("SELECT position, CAST(data AS text) FROM outbox WHERE position = ANY(:positions)")

Entries = Sequence[tuple[bytes, Fields]]


@dataclass
class ConsumerWorker:
    consumer: Consumer
    worker_id: str
    sessions: Sessions
    redis: Redis
    attempts: Attempts
    stop: asyncio.Event

    async def handle(self, stream: str, entries: Entries) -> None:
        """Handle what has been read, then acknowledge it. While Postgres is away, the batch waits."""
        batch = received(entries, self.consumer.event_types)
        while not self.stop.is_set():
            try:
                await (self._handle_together(batch) if self.consumer.batched else self._handle_apart(batch))
            except (DBAPIError, DatabaseUnreachable, PoolTimeout) as error:
                # A handler's own errors never come here: what could not be done is the claim, and it can be done later.
                log.warning("consumer.waits_for_postgres", consumer=self.consumer.name, error=one_line(error))
                await pause(self.stop, RETRY_SECONDS)
            else:
                await self.redis.xack(stream, self.consumer.name, *(entry_id for entry_id, _ in entries))
                return

    async def _handle_together(self, batch: Sequence[Received]) -> None:
        """All effects in one transaction; if one fails, none has happened, and each is tried alone."""
        data = _data(batch)
        try:
            async with self.sessions.begin() as session:
                for arrival in await self._claim(session, batch, State.DONE):
                    event = self.consumer.decode(arrival.type, data[arrival.position])
                    await self.consumer.effect(session, event, *self.attempts.needs())
        except Exception as error:
            if is_away(error):
                raise
            # Whichever it was, it will fail again alone, and be recorded there.
            log.warning("consumer.batch_failed", consumer=self.consumer.name, size=len(batch), error=repr(error))
            await self._handle_apart(batch)

    async def _handle_apart(self, batch: Sequence[Received]) -> None:
        """Claim first: from then on Postgres holds the promise. Each effect has a transaction of its own."""
        data = _data(batch)
        async with self.sessions.begin() as session:
            claimed = await self._claim(session, batch, State.RUNNING)
        tickets = [_first_ticket(self.consumer.name, arrival) for arrival in claimed]
        await self.attempts.submit(Task(ticket, data[ticket.position]) for ticket in tickets)

    async def _claim(self, session: AsyncSession, batch: Sequence[Received], state: State) -> list[Arrival]:
        if not batch:
            return []
        arrivals = [entry.arrival for entry in batch]
        return await delivery.claim(
            session,
            self.consumer.name,
            list(self.consumer.event_types),
            arrivals,
            state=state,
            lease=self.attempts.policy.lease,
        )

    async def take_due(self) -> int:
        """Try what is due: retries, hand-backs, replays, and what waited behind an earlier event."""
        free = self.attempts.free
        if not free:
            return 0
        async with self.sessions.begin() as session:
            tickets = await delivery.take_due(
                session, self.consumer.name, self.consumer.event_types, self.attempts.policy, limit=free
            )
            rows = await session.execute(DATA_OF, {"positions": [ticket.position for ticket in tickets]})
            data: dict[int, str] = {position: text_ for position, text_ in rows}  # noqa: C416 - rows are not tuples to mypy
        await self.attempts.submit(Task(ticket, data.get(ticket.position, "")) for ticket in tickets)
        return len(tickets)

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
        # XCLAIM takes only what still idles so long: of two sweepers one gets an entry.
        entries: Any = await self.redis.xclaim(stream, self.consumer.name, self.worker_id, int(min_idle * 1000), ids)
        async with self.sessions.begin() as session:
            await self._claim(session, received(entries, self.consumer.event_types), State.DUE)
        await self.redis.xack(stream, self.consumer.name, *ids)
        self.attempts.wake.set()
        log.info("consumer.swept", consumer=self.consumer.name, stream=stream, entries=len(ids), owner=owner)
        return len(ids)

    async def leave(self) -> None:
        """Hand back what was fetched and not handled, so that nothing waits for a time-out; then leave the groups."""
        for stream in self.consumer.streams:
            while await self._quietly(partial(self.sweep, stream, min_idle=0, owner=self.worker_id)):
                continue
            await self._quietly(partial(self._leave_group, stream))

    async def _leave_group(self, stream: str) -> None:
        """Unless something could not be handed back: removing a consumer forgets what it had fetched."""
        mine: Any = await self.redis.xpending_range(stream, self.consumer.name, "-", "+", 1, self.worker_id)
        if not mine:
            await self.redis.xgroup_delconsumer(stream, self.consumer.name, self.worker_id)

    async def look_for_due(self) -> None:
        while not self.stop.is_set():
            self.attempts.wake.clear()
            if not await self._quietly(self.take_due):
                await _until(self.attempts.wake, DUE_POLL_SECONDS)

    async def keep_leases(self) -> None:
        while not self.stop.is_set():
            await pause(self.stop, self._lease_seconds / 3)
            await self._quietly(self.attempts.renew)

    async def look_for_abandoned(self) -> None:
        while not self.stop.is_set():
            await pause(self.stop, self._lease_seconds / 2)
            for stream in self.consumer.streams:
                await self._quietly(partial(self.sweep, stream, min_idle=2 * self._lease_seconds))

    @property
    def _lease_seconds(self) -> float:
        return self.attempts.policy.lease.total_seconds()

    async def _quietly(self, look: Callable[[], Awaitable[int | None]]) -> int:
        """Look; where Postgres or Redis is away, say so and look again later."""
        try:
            return await look() or 0
        except (DBAPIError, DatabaseUnreachable, PoolTimeout, RedisError) as error:
            log.warning("consumer.unreachable", consumer=self.consumer.name, error=one_line(error))
            await pause(self.stop, RETRY_SECONDS)
            return 0


def _first_ticket(consumer: str, arrival: Arrival) -> Ticket:
    return Ticket(consumer, arrival.position, arrival.event_id, arrival.subject, arrival.type, attempt=1)


def _data(batch: Sequence[Received]) -> dict[int, bytes]:
    return {entry.arrival.position: entry.data for entry in batch}


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
