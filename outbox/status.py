"""How far everything is: the outbox, each stream, each consumer. Every figure can be found again in the tables."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from infra import streams
from outbox.selection import LAST_POSITION
from outbox.session import Sessions

OUTBOX = text("""
SELECT count(*) AS unsequenced, extract(epoch FROM now() - min(recorded_at)) AS oldest_seconds,
    (SELECT coalesce(max(position), 0) FROM outbox) AS head
FROM outbox WHERE position IS NULL
""")
STREAM_HEADS = text("""
SELECT name, (SELECT coalesce(max(position), 0) FROM outbox WHERE outbox.stream = name) AS head
FROM unnest(CAST(:streams AS text[])) AS name
""")
OPEN_DELIVERIES = text("""
SELECT consumer, count(*) FILTER (WHERE state = 'due') AS due, count(*) FILTER (WHERE state = 'running') AS running,
    count(*) FILTER (WHERE state = 'dead') AS dead,
    extract(epoch FROM now() - min(due_at) FILTER (WHERE state = 'due')) AS overdue_seconds
FROM deliveries WHERE state IN ('due', 'running') OR state = 'dead' GROUP BY consumer
""")
KNOWN = text("""
SELECT consumer, coalesce((SELECT max(position) FROM deliveries d WHERE d.consumer = s.consumer), 0) AS last_handled
FROM (SELECT DISTINCT consumer FROM subscriptions) s
""")
OLDEST_UNREAD = text("""
SELECT extract(epoch FROM now() - recorded_at) FROM outbox
WHERE position > :last_read AND (CAST(:stream AS text) IS NULL OR stream = :stream) AND EXISTS (
    SELECT FROM subscriptions s
    WHERE s.consumer = :consumer AND s.type = outbox.type AND s.since < outbox.position
)
ORDER BY position LIMIT 1
""")
NOT_READ = text("SELECT count(*) FROM outbox WHERE stream = :stream AND position > :last_read")


class OutboxStatus(msgspec.Struct):
    unsequenced: int
    """Committed, and not numbered by a relay yet."""
    oldest_seconds: float | None
    head: int
    """The newest position."""


class StreamStatus(msgspec.Struct):
    name: str
    length: int
    last_id: str
    head: int
    """The newest position that the outbox has for it."""

    @property
    def is_behind(self) -> bool:
        return int(self.last_id.partition("-")[0]) < self.head


class ConsumerStatus(msgspec.Struct):
    name: str
    stream: str | None
    lag: int | None
    """Entries that its group has not read; where Redis cannot tell, as the outbox has them."""
    pending: int
    """Read and not acknowledged."""
    unread_seconds: float | None = None
    """Age of the oldest event that it owes and has not read."""
    due: int = 0
    running: int = 0
    dead: int = 0
    overdue_seconds: float | None = None


class Status(msgspec.Struct):
    outbox: OutboxStatus
    streams: list[StreamStatus]
    consumers: list[ConsumerStatus]

    def problems(self, patience: timedelta) -> list[str]:
        """What somebody should look at; a backlog counts when it is older than `patience`."""
        limit = patience.total_seconds()
        found = []
        if (self.outbox.oldest_seconds or 0) > limit:
            found.append(
                f"the oldest unsequenced event has waited {self.outbox.oldest_seconds:.0f} s: is a relay running?"
            )
        found += [
            f"{each.name} ends at {each.last_id}, the outbox at {each.head}" for each in self.streams if each.is_behind
        ]
        for each in self.consumers:
            if each.dead:
                found.append(f"{each.name} has {each.dead} dead: waybill dead list --consumer {each.name}")
            if (each.unread_seconds or 0) > limit:
                found.append(
                    f"{each.name} has left an event unread for {each.unread_seconds:.0f} s: is a worker running?"
                )
            if (each.overdue_seconds or 0) > limit:
                found.append(
                    f"{each.name} has deliveries overdue by {each.overdue_seconds:.0f} s: is a worker running?"
                )
        return found


async def status(sessions: Sessions, redis: Redis, stream_names: Sequence[str]) -> Status:
    async with sessions() as session:
        outbox = (await session.execute(OUTBOX)).one()
        heads = (await session.execute(STREAM_HEADS, {"streams": list(stream_names)})).all()
        deliveries = {row.consumer: row for row in await session.execute(OPEN_DELIVERIES)}
        found = [await _stream(redis, name, head) for name, head in heads]
        consumers = [each for name in stream_names for each in await _groups(session, redis, name)]
        consumers += await _without_group(session, {each.name for each in consumers}, deliveries.keys())
    for each in consumers:
        if (row := deliveries.get(each.name)) is not None:
            each.due, each.running, each.dead = row.due, row.running, row.dead
            each.overdue_seconds = _seconds(row.overdue_seconds)
    return Status(OutboxStatus(outbox.unsequenced, _seconds(outbox.oldest_seconds), outbox.head), found, consumers)


async def _stream(redis: Redis, name: str, head: int) -> StreamStatus:
    return StreamStatus(name, await redis.xlen(name), await streams.last_id(redis, name), head)


async def _groups(session: AsyncSession, redis: Redis, stream: str) -> list[ConsumerStatus]:
    try:
        groups: Any = await redis.xinfo_groups(stream)
    except ResponseError:  # no such stream
        return []
    return [await _group(session, stream, each) for each in groups]


async def _group(session: AsyncSession, stream: str, group: Mapping[str, Any]) -> ConsumerStatus:
    name, last_read = group["name"].decode(), min(int(group["last-delivered-id"].partition(b"-")[0]), LAST_POSITION)
    lag = await _lag(session, stream, group, last_read)
    unread = await _oldest_unread(session, name, last_read, stream)
    return ConsumerStatus(name, stream, lag, group["pending"], unread)


async def _without_group(
    session: AsyncSession, known: AbstractSet[str], delivered: AbstractSet[str]
) -> list[ConsumerStatus]:
    """Consumers that Redis does not know (any more): what they have read is what they have deliveries of."""
    last = {row.consumer: row.last_handled for row in await session.execute(KNOWN)}
    return [
        ConsumerStatus(name, None, None, 0, await _oldest_unread(session, name, last.get(name, 0), None))
        for name in sorted((last.keys() | delivered) - known)
    ]


async def _oldest_unread(session: AsyncSession, consumer: str, last_read: int, stream: str | None) -> float | None:
    values = {"consumer": consumer, "last_read": last_read, "stream": stream}
    return _seconds(await session.scalar(OLDEST_UNREAD, values))


async def _lag(session: AsyncSession, stream: str, group: Mapping[str, Any], last_read: int) -> int:
    """Redis does not know it once entries were removed, and before version 7 not at all."""
    if (lag := group.get("lag")) is not None:
        return int(lag)
    return await session.scalar(NOT_READ, {"stream": stream, "last_read": last_read}) or 0


def _seconds(value: Any) -> float | None:
    return None if value is None else round(max(0.0, float(value)), 3)
