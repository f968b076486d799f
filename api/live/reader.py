"""One reader for all subscribers of a process: it reads each event of the outbox once, and tells whom it concerns.

It reads the outbox and not the streams: what Redis forgets, or is away for, is no matter to whoever listens here.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.live.frames import frame
from api.live.subscriber import Subscriber
from infra.connection import DatabaseUnreachable
from infra.telemetry import one_line
from outbox.feed import EVERYTHING, newest, page
from outbox.session import Sessions

log = structlog.get_logger(__name__)

BATCH = 500
IDLE_SECONDS = 0.05
RETRY_SECONDS = 1.0
UNREADABLE = (DBAPIError, DatabaseUnreachable, PoolTimeout, OSError)


@dataclass
class LiveReader:
    """Reads only while somebody listens."""

    sessions: Sessions
    _position: int | None = None
    """How far it has told; None while nobody listens."""
    _listening: dict[UUID | None, set[Subscriber]] = field(default_factory=lambda: defaultdict(set))
    """By whose events they hear; None for everybody's."""
    _somebody: asyncio.Event = field(default_factory=asyncio.Event)

    async def join(self, subscriber: Subscriber) -> int:
        """Returns the position past which the subscriber is told everything from now on."""
        if self._position is None:
            async with self.sessions() as session:
                found = await newest(session)
            self._position = found if self._position is None else self._position
        self._listening[subscriber.filter.owner].add(subscriber)
        self._somebody.set()
        return self._position

    def leave(self, subscriber: Subscriber) -> None:
        owner = subscriber.filter.owner
        self._listening[owner].discard(subscriber)
        if not self._listening[owner]:
            del self._listening[owner]

    async def run(self) -> None:
        """Until cancelled, through whatever happens to Postgres."""
        while True:
            if not self._listening:
                self._position = None
                self._somebody.clear()
                await self._somebody.wait()
            try:
                seconds = 0.0 if await self._read() else IDLE_SECONDS
            except UNREADABLE as error:
                log.warning("events.unreachable", error=one_line(error))
                seconds = RETRY_SECONDS
            except Exception:
                log.exception("events.reader_failed")  # whoever listens would wait for ever if it ended
                seconds = RETRY_SECONDS
            await asyncio.sleep(seconds)

    async def _read(self) -> bool:
        """Tell what is new. Returns whether there may be more."""
        assert self._position is not None  # noqa: S101 - somebody has joined
        async with self.sessions() as session:
            found = await page(session, EVERYTHING, after=self._position, limit=BATCH)
        for row in found.rows:
            self._tell(row)
        self._position = found.position
        return found.more

    def _tell(self, row: Any) -> None:
        told: bytes | None = None
        for owner in {row["owner_id"], None}:
            for subscriber in self._listening.get(owner, ()):
                if subscriber.filter.admits(row):
                    told = told or frame(row)
                    subscriber.offer(row["position"], told)
