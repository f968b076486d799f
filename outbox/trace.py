"""The life of one file, from all that knows of it: its row, object and shares, its events, and who has handled them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.catalogue import CATALOGUE
from domain.files.events import FileDownloaded, FileShared, FileShareRevoked
from domain.files.model import File
from infra.storage import ObjectMissing, Storage
from outbox.events import past_events
from outbox.selection import Selection
from outbox.session import Sessions
from outbox.share_states import ShareState, share_states

MAX_EVENTS = 1000
DOWNLOADED = FileDownloaded.type
MAX_DOWNLOADS = 100
"""The newest: there may be any number of them."""
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
    shares: list[ShareState]
    """Oldest first."""
    timeline: list[Moment]


async def trace(sessions: Sessions, redis: Redis, storage: Storage, file_id: UUID) -> Trace | None:
    """None where there is no such file."""
    async with sessions() as session:
        file = await session.get(File, file_id)
        if file is None:
            return None
        rows = await _events(sessions, file_id)
        shares = await share_states(session, file_id)
        handled = await _deliveries(session, [row["position"] for row in rows])
    published = [await _event(redis, row) for row in rows]
    promised = Moment(file.created_at, "promised", f"{file.name}, {file.size} bytes, by {file.owner_id}")
    timeline = sorted([promised, *published, *handled], key=lambda moment: moment.at)
    return Trace(file.id, file.name, file.status, await _object(file, storage), shares, timeline)


async def _events(sessions: Sessions, file_id: UUID) -> list[Any]:
    """All but the downloads, and the newest of those."""
    others = Selection(subject=file_id, types=[type_ for type_ in CATALOGUE if type_ != DOWNLOADED])
    downloads = Selection(subject=file_id, types=[DOWNLOADED])
    return [
        *await past_events(sessions, others, limit=MAX_EVENTS),
        *await past_events(sessions, downloads, limit=MAX_DOWNLOADS, newest_first=True),
    ]


async def _event(redis: Redis, row: Any) -> Moment:
    entry_id = f"{row['position']}-0"
    there = await redis.xrange(row["stream"], entry_id, entry_id)
    where = f"{row['stream']} {entry_id}" if there else f"not in {row['stream']} any more, or not yet"
    return Moment(row["recorded_at"], row["type"], _by_share(row) + where, row["position"])


def _by_share(row: Any) -> str:
    if row["type"] not in {FileShared.type, FileShareRevoked.type, DOWNLOADED}:
        return ""
    share_id = msgspec.json.decode(row["data"])["share_id"]
    return f"share {share_id}, " if share_id else "by its owner, "


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
