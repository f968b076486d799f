"""Who may listen, how many at once, and for how long: no longer than they may log in."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from api.live.reader import RETRY_SECONDS, UNREADABLE, LiveReader
from api.live.subscriber import Subscriber
from domain.actor import Actor
from domain.aggregate import now
from domain.errors import Busy, TooOften
from domain.service_tokens.queries import living_tokens
from domain.sessions.queries import living_sessions
from outbox.feed import Filter
from outbox.session import Sessions

log = structlog.get_logger(__name__)

OF_A_PROCESS = 2000
OF_AN_ACCOUNT = 1000
"""In a process."""
CHECK_SECONDS = 5.0
CATCHING_UP = 4
"""Streams that read the past at once; the rest of the connections to Postgres are for requests."""
STOPPING = "this server is stopping: resume at another one"
CREDENTIALS_OVER = "your credentials are over: resume with others"


class TooManyStreams(TooOften):
    """You have too many streams open."""

    slug = "too-many-streams"


class StreamsFull(Busy):
    """Too many streams are open here."""

    slug = "streams-full"


@dataclass
class Streams:
    """Every stream of this process."""

    sessions: Sessions
    reader: LiveReader = field(init=False)
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CATCHING_UP))
    _open: set[Subscriber] = field(default_factory=set)
    _accounts: Counter[UUID] = field(default_factory=Counter)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self.reader = LiveReader(self.sessions)

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, actor: Actor, filter_: Filter) -> Subscriber:
        """Whoever is admitted is dismissed in the end. Raises TooManyStreams, StreamsFull."""
        if self._stopping or len(self._open) >= OF_A_PROCESS:
            raise StreamsFull
        if self._accounts[actor.account_id] >= OF_AN_ACCOUNT:
            raise TooManyStreams(f"At most {OF_AN_ACCOUNT} of an account", retry_after=30)
        subscriber = Subscriber(actor, filter_)
        self._open.add(subscriber)
        self._accounts[actor.account_id] += 1
        return subscriber

    def dismiss(self, subscriber: Subscriber) -> None:
        self.reader.leave(subscriber)
        self._open.discard(subscriber)
        self._accounts -= Counter([subscriber.actor.account_id])

    def stop(self) -> None:
        """A stream has no end of its own, and a server that stops waits for every answer's end."""
        self._stopping = True
        self.end_all(STOPPING)

    def end_all(self, reason: str) -> None:
        _end(self._open, reason)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.reader.run()), asyncio.create_task(self._keep_checking())]
        try:
            yield
        finally:
            self.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_checking(self) -> None:
        seconds = CHECK_SECONDS
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.check()
            except UNREADABLE:
                seconds = RETRY_SECONDS  # meanwhile nobody is told anything: that takes Postgres too
            except Exception:
                log.exception("events.check_failed")  # whoever is not allowed in any more would listen on if it ended
                seconds = RETRY_SECONDS
            else:
                seconds = CHECK_SECONDS

    async def check(self) -> None:
        """End the streams of whoever could not open one any more; all are asked for at once."""
        checked = list(self._open)
        if checked:
            living = await self._living(each.actor for each in checked)
            moment = now()
            over = (each for each in checked if each.credential_id not in living or each.is_over(moment))
            _end(over, CREDENTIALS_OVER)

    async def _living(self, actors: Iterable[Actor]) -> set[UUID]:
        people, services = set[UUID](), set[UUID]()
        for actor in actors:
            if actor.service_token_id is not None:
                services.add(actor.service_token_id)
            elif actor.session_id is not None:
                people.add(actor.session_id)
        async with self.sessions() as session:
            return await living_sessions(session, people) | await living_tokens(session, services)


def _end(subscribers: Iterable[Subscriber], reason: str) -> None:
    for each in subscribers:
        each.end(reason)
