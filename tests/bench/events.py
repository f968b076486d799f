"""Events by the hundred thousand, committed as they would be, but by one statement."""

import asyncpg
from redis.asyncio import Redis

from domain.aggregate import new_id
from domain.catalogue import STREAMS
from outbox.relay import Relay
from tests.bench.place import connected

STREAM = "waybill:files"

COLUMNS = "event_id, stream, type, subject, data, traceparent, recorded_at"

EVENTS = f"""
SELECT id, 'waybill:files', 'file.available', subject,
    json_build_object(
        'file_id', subject, 'owner_id', '{new_id()}', 'name', 'report ' || n || '.pdf', 'size', 1000 + n,
        'content_type', 'application/pdf', 'sha256', repeat('0', 64), 'version', 2),
    '00-' || replace(id::text, '-', '') || '-00f067aa0ba902b7-01', now()
FROM (
    SELECT n, uuidv7() AS id,
        ('00000000-0000-7000-8000-' || lpad((n % $2::int)::text, 12, '0'))::uuid AS subject
    FROM generate_series(1, $1::int) n
) made
"""
"""$1 events of $2 subjects in turn, each with all that an envelope can carry."""


async def record(connection: asyncpg.Connection, count: int, *, subjects: int, table: str = "outbox") -> None:
    """Commit so many events."""
    await connection.execute(f"INSERT INTO {table} ({COLUMNS}) {EVENTS}", count, subjects)


async def publish(url: str, redis: Redis, count: int, *, subjects: int) -> None:
    """Commit so many events, and relay them."""
    async with connected(url) as connection:
        await record(connection, count, subjects=subjects)
        await connection.execute("ANALYZE outbox")
        relay = Relay(connection, redis, STREAMS)
        while await relay.step():
            continue
        await connection.execute("VACUUM ANALYZE outbox")
        await connection.execute("CHECKPOINT")
