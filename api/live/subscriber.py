"""Whoever listens: what waits for them, up to a limit, and why they are told no more."""

import asyncio
from collections import deque
from datetime import datetime
from uuid import UUID

from domain.actor import Actor
from outbox.feed import Filter

QUEUE = 1000
"""Events that may wait for somebody who reads slowly."""
TOO_SLOW = "you read too slowly: resume after the last id that you have"


class Subscriber:
    def __init__(self, actor: Actor, filter_: Filter) -> None:
        self.actor = actor
        self.filter = filter_
        self.ended: str | None = None
        """Why, in words for the client."""
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._news = asyncio.Event()

    @property
    def credential_id(self) -> UUID | None:
        """Of the session, or of the service token."""
        return self.actor.service_token_id or self.actor.session_id

    def is_over(self, moment: datetime) -> bool:
        return self.actor.expires_at is not None and self.actor.expires_at <= moment

    def offer(self, position: int, frame: bytes) -> None:
        if len(self._waiting) >= QUEUE:
            self.end(TOO_SLOW)
        elif self.ended is None:
            self._waiting.append((position, frame))
            self._news.set()

    def end(self, reason: str) -> None:
        """The first reason counts. What waits already is still told."""
        self.ended = self.ended or reason
        self._news.set()

    async def news(self, *, seconds: float) -> list[tuple[int, bytes]]:
        """What waits, as soon as there is any, the end has come, or so much time has passed."""
        if not self._waiting and self.ended is None:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return []
        found = list(self._waiting)
        self._waiting.clear()
        return found
