"""Dead letters: deliveries that were given up. They can be looked at, tried again, or discarded for good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from infra.glob import like
from outbox.session import Sessions


@dataclass(frozen=True)
class Which:
    """Of the dead: those of a consumer, of types like this, with these ids; nothing named means all."""

    consumer: str | None = None
    type: str | None = None
    ids: Sequence[str] = ()
    """Positions or event ids."""

    def values(self) -> dict[str, Any]:
        return {"consumer": self.consumer, "type": like(self.type), "ids": list(self.ids) or None}


@dataclass(frozen=True)
class Found:
    """The dead of some kind at a moment; whoever dies later is not meant."""

    which: Which
    count: int
    until: datetime


class Group(msgspec.Struct):
    """Dead letters of one consumer with one reason."""

    consumer: str
    reason: str
    count: int
    first_position: int
    last_position: int
    last_at: datetime


class DeadLetter(msgspec.Struct):
    consumer: str
    position: int
    event_id: str
    type: str
    subject: str
    attempts: int
    recorded_at: datetime | None
    died_at: datetime
    error: str | None
    data: str | None
    """The event's data, as JSON; null where the outbox has forgotten it."""


CHOSEN = """
d.state = 'dead' AND (CAST(:consumer AS text) IS NULL OR d.consumer = :consumer)
AND (CAST(:type AS text) IS NULL OR d.type LIKE :type)
AND (CAST(:ids AS text[]) IS NULL OR CAST(d.position AS text) = ANY(:ids) OR CAST(d.event_id AS text) = ANY(:ids))
"""
# A traceback's last line is what went wrong; what differs from event to event in it (numbers, ids) is not the reason.
GROUPS = text(f"""
SELECT d.consumer, r.reason, count(*), min(d.position), max(d.position), max(d.updated_at)
FROM deliveries d
CROSS JOIN LATERAL (
    SELECT left(regexp_replace(
        substring(rtrim(d.last_error, E'\\n') FROM '[^\\n]*$'), '[0-9a-f-]{{36}}|[0-9]+', '…', 'g'), 200) AS reason
) r
WHERE {CHOSEN} GROUP BY d.consumer, r.reason ORDER BY count(*) DESC, d.consumer, r.reason
""")
DETAILS = text(f"""
SELECT d.consumer, d.position, d.event_id, d.type, d.subject, d.attempts, o.recorded_at, d.updated_at, d.last_error,
    CAST(o.data AS text) AS data
FROM deliveries d LEFT JOIN outbox o ON o.position = d.position
WHERE {CHOSEN} ORDER BY d.position, d.consumer LIMIT :limit
""")
COUNT = text(f"SELECT count(*), now() FROM deliveries d WHERE {CHOSEN}")
# What dies again meanwhile has died later than that.
CHUNK_OF_THEM = f"""
WHERE (consumer, position) IN (
    SELECT d.consumer, d.position FROM deliveries d WHERE {CHOSEN} AND d.updated_at <= :died_until
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
"""
REDRIVE = text(f"""
UPDATE deliveries SET state = 'due', attempts = 0, due_at = now(), updated_at = now() {CHUNK_OF_THEM}
""")
DISCARD = text(f"""
UPDATE deliveries SET state = 'discarded', updated_at = now(), discarded_by = :by, discard_reason = :why {CHUNK_OF_THEM}
""")
CHUNK = 5000
"""Dead letters per transaction."""


async def groups(session: AsyncSession, which: Which) -> list[Group]:
    """The dead, grouped by what went wrong; the largest group first."""
    return [Group(*row) for row in await session.execute(GROUPS, which.values())]


async def details(session: AsyncSession, which: Which, *, limit: int) -> list[DeadLetter]:
    rows = await session.execute(DETAILS, which.values() | {"limit": limit})
    return [
        DeadLetter(
            consumer=row.consumer,
            position=row.position,
            event_id=str(row.event_id),
            type=row.type,
            subject=str(row.subject),
            attempts=row.attempts,
            recorded_at=row.recorded_at,
            died_at=row.updated_at,
            error=row.last_error,
            data=row.data,
        )
        for row in rows
    ]


async def found(sessions: Sessions, which: Which) -> Found:
    """How many there are now."""
    async with sessions() as session:
        count, until = (await session.execute(COUNT, which.values())).one()
        return Found(which, count, until)


async def redrive(sessions: Sessions, found: Found, advanced: Callable[[int], None]) -> int:
    """Try them again, from the first attempt. Returns how many."""
    return await _in_chunks(sessions, REDRIVE, found, {}, advanced)


async def discard(sessions: Sessions, found: Found, advanced: Callable[[int], None], *, by: str, why: str) -> int:
    """Give them up for good; who did so and why is kept. Returns how many."""
    return await _in_chunks(sessions, DISCARD, found, {"by": by, "why": why}, advanced)


async def _in_chunks(
    sessions: Sessions, statement: TextClause, found: Found, values: dict[str, Any], advanced: Callable[[int], None]
) -> int:
    values = found.which.values() | {"died_until": found.until, "limit": CHUNK} | values
    done, last = 0, 1
    while last:
        async with sessions.begin() as session:
            last = int((await session.execute(statement, values)).rowcount)  # type: ignore[attr-defined]
        done += last
        advanced(done)
    return done
