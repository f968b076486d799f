"""The life of one file, from everything that knows of it: its row, its object, its events, and who has handled them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.files.model import File
from infra.storage import ObjectMissing, Storage
from outbox.events import past_events
from outbox.selection import Selection
from outbox.session import Sessions

MAX_EVENTS = 1000
DELIVERIES = text("""
SELECT d.consumer, d.position, d.type, d.state, d.attempts, d.updated_at, d.due_at, d.last_error
FROM deliveries d WHERE d.position = ANY(:positions) ORDER BY d.updated_at, d.position
""")


class Moment(msgspec.Struct):
    """Something that happened, or is so now."""

    at: datetime
    what: str
    detail: str
    position: int | None = None


class Trace(msgspec.Struct):
    file_id: UUID
    name: str
    status: str
    object: str
    """Where its bytes are, and how many; or that they are not there."""
    timeline: list[Moment]


async def trace(sessions: Sessions, redis: Redis, storage: Storage, file_id: UUID) -> Trace | None:
    """None where there is no such file."""
    async with sessions() as session:
        file = await session.get(File, file_id)
        if file is None:
            return None
        rows = await past_events(sessions, Selection(subject=file_id), limit=MAX_EVENTS)
        handled = await _deliveries(session, [row["position"] for row in rows])
    published = [await _event(redis, row) for row in rows]
    promised = Moment(file.created_at, "promised", f"{file.name}, {file.size} bytes, by {file.owner_id}")
    timeline = sorted([promised, *published, *handled], key=lambda moment: moment.at)
    return Trace(file.id, file.name, file.status, await _object(file, storage), timeline)


async def _event(redis: Redis, row: Any) -> Moment:
    entry_id = f"{row['position']}-0"
    there = await redis.xrange(row["stream"], entry_id, entry_id)
    where = f"{row['stream']} {entry_id}" if there else f"not in {row['stream']} any more, or not yet"
    return Moment(row["recorded_at"], row["type"], where, row["position"])


async def _deliveries(session: AsyncSession, positions: list[int]) -> list[Moment]:
    rows = await session.execute(DELIVERIES, {"positions": positions})
    return [Moment(row.updated_at, f"{row.consumer} {row.state}", _attempts(row), row.position) for row in rows]


def _attempts(row: Any) -> str:
    reason = (row.last_error or "").rstrip().rpartition("\n")[2]
    told = f"{row.type}, attempt {row.attempts}"
    return f"{told}: {reason}" if reason else told


async def _object(file: File, storage: Storage) -> str:
    try:
        return f"{file.bucket}/{file.key}, {await storage.size(file.key)} bytes"
    except ObjectMissing:
        return f"nothing at {file.bucket}/{file.key}"
