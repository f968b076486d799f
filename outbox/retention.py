"""Retention: what is old and finished leaves the outbox, and once that is committed the streams, which are its view.

The order matters. An entry whose row is gone is nobody's to handle any more, so a crash between the two does no harm;
a row whose entry is gone would be put back by the relay where it rebuilds a stream, and nowhere else.
"""

from collections.abc import Iterable
from datetime import datetime

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from infra import streams
from infra.failpoints import failpoint
from outbox.consumers import consumers_of_deliveries

BATCH = 5000
"""Rows looked at in one transaction."""

# No consumer begins to owe anything meanwhile, and none of the rows is made due again: a replay locks what it chooses.
LOCK_SUBSCRIPTIONS = text("LOCK TABLE subscriptions IN SHARE MODE")
REACHED = text("""
SELECT coalesce(max(position) FILTER (WHERE recorded_at < :before), :after)
FROM (SELECT position, recorded_at FROM outbox WHERE position > :after ORDER BY position LIMIT :batch) looked
""")
LOCK_ROWS = text("""
SELECT position FROM outbox
WHERE position > :after AND position <= :reached AND recorded_at < :before FOR UPDATE SKIP LOCKED
""")
# The newest row stays, even so: from it the relay goes on numbering.
FINISHED = text("""
WITH old AS (
    SELECT position, type FROM outbox
    WHERE position = ANY(:positions) AND position < (SELECT max(position) FROM outbox)
), delivered AS MATERIALIZED (
    SELECT consumer, position, state IN ('done', 'discarded') AS ended FROM deliveries
    WHERE consumer = ANY(:consumers) AND position > :after AND position <= :reached
)
SELECT position FROM old
EXCEPT
SELECT old.position FROM old JOIN subscriptions owed ON owed.type = old.type AND owed.since < old.position
LEFT JOIN delivered ON delivered.consumer = owed.consumer AND delivered.position = old.position
WHERE delivered.position IS NULL
EXCEPT
SELECT position FROM delivered WHERE NOT ended
""")
FORGET_DELIVERIES = text("DELETE FROM deliveries WHERE consumer = ANY(:consumers) AND position = ANY(:positions)")
FORGET_EVENTS = text("DELETE FROM outbox WHERE position = ANY(:positions)")
FORGET_COMMANDS = text("""
DELETE FROM commands WHERE id IN (
    SELECT id FROM commands WHERE recorded_at < :before ORDER BY recorded_at LIMIT :batch FOR UPDATE SKIP LOCKED
)
""")
# Whatever is given a position later than this statement, or is not committed yet, comes behind the newest there is.
NEXT = text("""
SELECT coalesce(
    (SELECT min(position) FROM outbox WHERE stream = :stream AND position > :after),
    (SELECT max(position) FROM outbox),
    1
)
""")
KEPT = text("SELECT position FROM outbox WHERE stream = :stream AND position > :after AND position <= :upto")


async def prune(session: AsyncSession, *, before: datetime, after: int) -> int:
    """Forget a batch of the events recorded before a time, from a position on, but none that somebody has not finished.

    Returns:
        The position up to which there is nothing more to forget: `after` itself where nothing old is beyond it.

    """
    values = {"before": before, "after": after, "batch": BATCH}
    reached: int = await session.scalar(REACHED, values) or after
    if reached > after:
        await session.execute(LOCK_SUBSCRIPTIONS)
        values |= {"reached": reached}
        values |= {"positions": (await session.scalars(LOCK_ROWS, values)).all()}
        values |= {"consumers": await consumers_of_deliveries(session)}
        values |= {"positions": (await session.scalars(FINISHED, values)).all()}
        await session.execute(FORGET_DELIVERIES, values)
        await session.execute(FORGET_EVENTS, values)
    return reached


async def forget_commands(session: AsyncSession, *, before: datetime) -> int:
    """Forget a batch of the commands recorded before a time. Returns how many."""
    result = await session.execute(FORGET_COMMANDS, {"before": before, "batch": BATCH})
    return int(result.rowcount)  # type: ignore[attr-defined]


async def trim(session: AsyncSession, redis: Redis, stream_names: Iterable[str], *, after: int, upto: int) -> None:
    """Remove from the streams what the outbox has no longer: before its oldest event, and from `after` past `upto`.

    The outbox is asked before the stream, so that what a relay appends meanwhile is beyond what is looked at.
    """
    failpoint("retention.before_trim")
    for stream in stream_names:
        oldest = await session.scalar(NEXT, {"stream": stream, "after": 0}) or 1
        next_one = await session.scalar(NEXT, {"stream": stream, "after": upto}) or 1
        kept = await session.scalars(KEPT, {"stream": stream, "after": after, "upto": upto})
        await streams.trim_before(redis, stream, f"{oldest}-0")
        await streams.keep_only(redis, stream, {f"{each}-0" for each in kept}, first=after + 1, last=next_one - 1)
