"""Past events, as rows of the outbox."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from outbox.selection import CHOSEN, Selection
from outbox.session import Sessions

COLUMNS = "position, event_id, stream, type, subject, CAST(data AS text) AS data, traceparent, recorded_at"
OLDEST_FIRST = text(f"SELECT {COLUMNS} FROM outbox WHERE {CHOSEN} ORDER BY position LIMIT :limit")
NEWEST_FIRST = text(f"SELECT {COLUMNS} FROM outbox WHERE {CHOSEN} ORDER BY position DESC LIMIT :limit")


async def past_events(
    sessions: Sessions, selection: Selection, *, limit: int, cursor: int = 0, newest_first: bool = False
) -> Sequence[Any]:
    """Published events past a position: rows for `cloud_event`."""
    statement = NEWEST_FIRST if newest_first else OLDEST_FIRST
    async with sessions() as session:
        return (await session.execute(statement, selection.values(cursor=cursor) | {"limit": limit})).mappings().all()
