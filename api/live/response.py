"""The answer of a stream: first what has happened since a position, then what happens."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import structlog
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from api.live.frames import HEARTBEAT, farewell, frames, opening
from api.live.reader import UNREADABLE
from api.live.streams import Streams
from api.live.subscriber import Subscriber
from infra.telemetry import one_line
from outbox.feed import Page, page

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
"""How long a client may take nothing before its connection is given up."""
PAGE = 200
AWAY = "a part of the service is out of reach: resume shortly"


class EventStream(ASGIResponse):
    """No event twice and none left out, since everything goes by position: the past, the seam and what comes then."""

    _should_set_content_length = False

    def __init__(self, streams: Streams, subscriber: Subscriber, *, after: int, joined: bool) -> None:
        """`joined` if there is no past to tell: the subscriber hears already what comes after `after`."""
        headers = {"X-Accel-Buffering": "no"}  # nginx would hold events back
        super().__init__(media_type="text/event-stream", headers=headers)
        self._streams, self._subscriber = streams, subscriber
        self._position, self._joined = after, joined

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._watch(receive))
        try:
            await self.start_response(send)
            async for chunk in self._chunks():
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("events.client_stuck")
        finally:
            self._streams.dismiss(self._subscriber)
            watching.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self._subscriber.end("gone")

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield opening()
        try:
            async for chunk in self._past():
                yield chunk
        except UNREADABLE as error:
            log.warning("events.unreachable", error=one_line(error))
            yield farewell(AWAY)
            return
        async for chunk in self._present():
            yield chunk
        yield farewell(self._subscriber.ended or "")

    async def _past(self) -> AsyncIterator[bytes]:
        """Up to where the reader is: it tells what is past that while the last of this is read."""
        upto: int | None = None
        while not self._joined or self._position < (upto or 0):
            found = await self._page(upto)
            self._position = found.position
            if found.rows:
                yield frames(found.rows)
            if self._subscriber.ended:
                return
            if not found.more and upto is None:
                self._joined, upto = True, await self._streams.reader.join(self._subscriber)

    async def _page(self, upto: int | None) -> Page:
        async with self._streams.reading, self._streams.sessions() as session:
            return await page(session, self._subscriber.filter, after=self._position, limit=PAGE, upto=upto)

    async def _present(self) -> AsyncIterator[bytes]:
        beat = monotonic() + HEARTBEAT_SECONDS
        while True:
            news = await self._subscriber.news(seconds=max(0.0, beat - monotonic()))
            if chunk := self._unheard(news):
                yield chunk
            if self._subscriber.ended:
                return
            if monotonic() >= beat:
                beat += HEARTBEAT_SECONDS
                yield HEARTBEAT

    def _unheard(self, news: list[tuple[int, bytes]]) -> bytes:
        """What the past has not told already."""
        told: list[Any] = [frame for position, frame in news if position > self._position]
        if news:
            self._position = max(self._position, news[-1][0])
        return b"".join(told)
