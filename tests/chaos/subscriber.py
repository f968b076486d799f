"""A downstream service: it follows a stream by the id it saw last, through whatever happens to Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra import streams

BLOCK_MS = 200


@dataclass
class Subscriber:
    stream: str
    seen: list[tuple[int, str]] = field(default_factory=list)
    """Position and event id of every entry, as it came."""

    @property
    def position(self) -> int:
        return self.seen[-1][0] if self.seen else 0

    @classmethod
    @asynccontextmanager
    async def following(cls, stream: str, redis_url: str) -> AsyncIterator["Subscriber"]:
        subscriber, redis = cls(stream), streams.connect(redis_url)
        task = asyncio.create_task(subscriber._follow(redis))
        try:
            yield subscriber
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await redis.aclose()

    async def _follow(self, redis: Redis) -> None:
        while True:
            try:
                answer: Any = await redis.xread({self.stream: f"{self.position}-0"}, count=500, block=BLOCK_MS)
            except (RedisError, OSError):
                await asyncio.sleep(BLOCK_MS / 1000)
                continue
            for _, entries in answer or ():
                self.seen += [(int(id_.partition(b"-")[0]), fields[b"id"].decode()) for id_, fields in entries]
