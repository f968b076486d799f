"""Who is known to the outbox, by subscribing or by deliveries, whether or not the code still has it."""

from collections.abc import Iterable

import msgspec
from redis.asyncio import Redis
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from infra import streams
from outbox.session import Sessions
from outbox.subscriptions import Subscription

# From consumer to consumer along the primary key: as many probes as there are consumers, however many deliveries.
CONSUMERS = text("""
WITH RECURSIVE consumers AS (
    (SELECT consumer FROM deliveries ORDER BY consumer LIMIT 1)
    UNION ALL
    SELECT next.consumer FROM consumers CROSS JOIN LATERAL (
        SELECT consumer FROM deliveries WHERE consumer > consumers.consumer ORDER BY consumer LIMIT 1
    ) next
)
SELECT consumer FROM consumers
""")
UNFINISHED = text("""
SELECT consumer, count(*) FILTER (WHERE state <> 'dead') AS open, count(*) FILTER (WHERE state = 'dead') AS dead
FROM deliveries WHERE state IN ('due', 'running') OR state = 'dead' GROUP BY consumer
""")
FORGET_SUBSCRIPTIONS = text("""
DELETE FROM subscriptions WHERE consumer = :consumer AND (CAST(:type AS text) IS NULL OR type = :type)
""")
# Waits for the claims that have read them; those to come read that there are none.
NOBODY_CLAIMS = text("LOCK TABLE subscriptions IN ACCESS EXCLUSIVE MODE")
FORGET_DELIVERIES = text("""
WITH forgotten AS (
    DELETE FROM deliveries WHERE consumer = :consumer AND position IN (
        SELECT position FROM deliveries
        WHERE consumer = :consumer AND position > :after AND (CAST(:type AS text) IS NULL OR type = :type)
        ORDER BY position LIMIT :batch
    )
    RETURNING position
)
SELECT count(*), max(position) FROM forgotten
""")
FORGET_BATCH = 5000
"""Deliveries per transaction."""


class Known(msgspec.Struct):
    """A consumer that has subscribed, or has deliveries."""

    name: str
    types: dict[str, int]
    """What it handles, and since which position."""
    open: int = 0
    """Deliveries that are due or running."""
    dead: int = 0


async def consumers_of_deliveries(session: AsyncSession) -> list[str]:
    """Everybody who has a delivery, subscribed or not."""
    return list(await session.scalars(CONSUMERS))


async def known(session: AsyncSession) -> list[Known]:
    """Every consumer there is for the outbox, whether or not the code still has it, by name."""
    found = {name: Known(name, {}) for name in await consumers_of_deliveries(session)}
    for each in await session.scalars(select(Subscription).order_by(Subscription.type)):
        found.setdefault(each.consumer, Known(each.consumer, {})).types[each.type] = each.since
    for row in await session.execute(UNFINISHED):
        found[row.consumer].open, found[row.consumer].dead = row.open, row.dead
    return [found[name] for name in sorted(found)]


async def forget(
    sessions: Sessions, redis: Redis, stream_names: Iterable[str], consumer: str, *, type_: str | None = None
) -> int:
    """Forget what a consumer owes and has handled, its groups too; or what it does of one type. May be repeated.

    Returns:
        How many deliveries were forgotten.

    """
    values = {"consumer": consumer, "type": type_, "batch": FORGET_BATCH}
    async with sessions.begin() as session:
        await session.execute(NOBODY_CLAIMS)
        await session.execute(FORGET_SUBSCRIPTIONS, values)
    for stream in stream_names if type_ is None else ():
        await streams.destroy_group(redis, stream, consumer)
    forgotten = 0
    last: int | None = 0
    while last is not None:
        async with sessions.begin() as session:
            count, last = (await session.execute(FORGET_DELIVERIES, values | {"after": last})).one()
        forgotten += count
    return forgotten
