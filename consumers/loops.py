"""What a worker does again and again until it is to stop: whatever goes wrong once, it goes on."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from infra.connection import DatabaseUnreachable
from infra.telemetry import one_line
from infra.waiting import pause

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0


async def quietly(
    look: Callable[[], Awaitable[int | None]], stop: asyncio.Event, *, retry: float = RETRY_SECONDS, **who: str
) -> int | None:
    """Look; where that fails, say so, wait `retry` seconds, and return None. A loop of ours never ends by an error."""
    try:
        return await look() or 0
    except (DBAPIError, DatabaseUnreachable, PoolTimeout, RedisError, OSError) as error:
        log.warning("consumer.unreachable", **who, error=one_line(error))
    except Exception:
        log.exception("consumer.failed", **who)
    await pause(stop, retry)
    return None
