"""Counting what happens too often: in Redis for all processes together, or alone and more strictly while it is away."""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pyseto import KeyInterface
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.keyring import KeyRing

log = structlog.get_logger(__name__)

KEY_PREFIX = "waybill:limits"
PATIENCE = 1.0
"""Seconds for Redis to answer; with less, a burst of requests is taken for a Redis that is away."""
PAUSE = 5.0
"""Seconds for which a Redis that did not answer is not asked again."""
ALONE = 0.25
"""Of a rate, while each process counts for itself: several processes together then allow about what was meant."""


@dataclass(frozen=True)
class Rate:
    """At most `amount` in any `seconds`."""

    amount: int
    seconds: int


class Rates:
    """`ring` keys the hash under which somebody is counted: Redis learns no address. `scale` multiplies all rates."""

    def __init__(self, redis: Redis, *, ring: KeyRing, scale: float) -> None:
        pool = cast("Any", redis.connection_pool)
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=KEY_PREFIX, connection_pool=pool)
        self._together = MovingWindowRateLimiter(storage)
        self._alone = MovingWindowRateLimiter(MemoryStorage())
        self._ring = ring
        self._scale = scale
        self._away_until = 0.0

    async def wait(self, name: str, whom: str, rate: Rate) -> float:
        """Count one of `whom`, if there is room for one. Seconds until there is; 0 if there was."""
        counted = hashlib.blake2b(
            whom.encode(errors="replace"), key=_secret(self._ring.current), digest_size=16
        ).hexdigest()
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await _wait(self._together, self._item(name, rate, self._scale), counted)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + PAUSE
                log.warning("rates.alone", error=type(error).__name__, seconds=PAUSE)
        return await _wait(self._alone, self._item(name, rate, self._scale * ALONE), counted)

    @staticmethod
    def _item(name: str, rate: Rate, scale: float) -> RateLimitItemPerSecond:
        return RateLimitItemPerSecond(max(1, int(rate.amount * scale)), rate.seconds, namespace=name)


@lru_cache(maxsize=2)
def _secret(key: KeyInterface) -> bytes:
    return hashlib.sha256(key.to_paserk().encode()).digest()


async def _wait(limiter: MovingWindowRateLimiter, item: RateLimitItemPerSecond, counted: str) -> float:
    if await limiter.hit(item, counted):
        return 0.0
    window = await limiter.get_window_stats(item, counted)
    return max(window.reset_time - time.time(), 1.0)
