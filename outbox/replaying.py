"""Replaying: deliveries are made due again, or past events copied into another stream, a chunk at a time."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from sqlalchemy import TextClause, select, text

from domain.aggregate import new_id, now
from infra import streams
from infra.failpoints import failpoint
from outbox.envelope import cloud_event
from outbox.events import OLDEST_FIRST
from outbox.replay import Replay, ReplayState
from outbox.selection import CHOSEN, Selection
from outbox.session import Sessions

CHUNK = 1000
"""Events per transaction."""
TAKE_BACK_CHUNK = 5000


class Sample(msgspec.Struct):
    """An event that would be replayed."""

    position: int
    type: str
    subject: UUID
    recorded_at: datetime


COUNT = text(f"SELECT count(*) FROM outbox WHERE {CHOSEN}")
SAMPLE = text(f"SELECT position, type, subject, recorded_at FROM outbox WHERE {CHOSEN} ORDER BY position LIMIT :limit")
# The lock keeps retention from forgetting what is just being made due.
MAKE_DUE = text(f"""
WITH chosen AS (
    SELECT position, event_id, subject, type FROM outbox WHERE {CHOSEN} ORDER BY position LIMIT :limit FOR KEY SHARE
), made_due AS (
    INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at, replay_id)
    SELECT :consumer, position, event_id, subject, type, 'due', 0, now(), now(), :replay_id FROM chosen
    ON CONFLICT (consumer, position) DO UPDATE SET before_replay = deliveries.state, state = 'due', attempts = 0,
        due_at = now(), updated_at = now(), replay_id = :replay_id
    WHERE deliveries.state IN ('done', 'dead', 'discarded')
    RETURNING position
)
SELECT (SELECT max(position) FROM chosen) AS cursor, (SELECT count(*) FROM made_due) AS replayed
""")
TAKE_BACK = text("""
UPDATE deliveries SET state = before_replay, due_at = NULL, updated_at = now(), replay_id = NULL, before_replay = NULL
WHERE (consumer, position) IN (
    SELECT consumer, position FROM deliveries
    WHERE replay_id = :replay_id AND state = 'due' AND attempts = 0 AND before_replay IS NOT NULL
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
""")
# What was never owed is there only because of the replay.
TAKE_AWAY = text("""
DELETE FROM deliveries WHERE (consumer, position) IN (
    SELECT consumer, position FROM deliveries d
    WHERE replay_id = :replay_id AND state = 'due' AND attempts = 0 AND before_replay IS NULL AND NOT EXISTS (
        SELECT FROM subscriptions owed
        WHERE owed.consumer = d.consumer AND owed.type = d.type AND owed.since < d.position
    )
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
""")


async def preview(sessions: Sessions, selection: Selection, *, limit: int) -> tuple[int, list[Sample]]:
    """How many events are meant, and the first of them."""
    async with sessions() as session:
        total = await session.scalar(COUNT, selection.values())
        rows = await session.execute(SAMPLE, selection.values() | {"limit": limit})
        return total or 0, [Sample(*row) for row in rows]


async def begin(
    sessions: Sessions, selection: Selection, *, consumer: str | None, to_stream: str | None, by: str, why: str
) -> Replay:
    """Write down that it begins."""
    total, _ = await preview(sessions, selection, limit=0)
    replay = Replay(
        id=new_id(),
        consumer=consumer,
        to_stream=to_stream,
        selection=selection.described(),
        requested_by=by,
        reason=why,
        state=ReplayState.RUNNING,
        total=total,
        replayed=0,
        cursor=0,
        created_at=now(),
        ended_at=None,
    )
    async with sessions.begin() as session:
        session.add(replay)
    return replay


async def run(
    sessions: Sessions,
    redis: Redis,
    replay: Replay,
    selection: Selection,
    *,
    rate: float | None = None,
    advanced: Callable[[int], None] = lambda _: None,
) -> ReplayState:
    """Go through all of it, a chunk at a time, at most `rate` events a second; `advanced` hears how many so far."""
    size = CHUNK if rate is None else max(1, min(CHUNK, int(rate)))
    while True:
        began = asyncio.get_running_loop().time()
        async with sessions.begin() as session:
            current = await session.get_one(Replay, replay.id, with_for_update=True, populate_existing=True)
            if current.state != ReplayState.RUNNING:
                return ReplayState(current.state)
            values = selection.values(cursor=current.cursor) | {"limit": size}
            if replay.consumer is not None:
                values |= {"consumer": replay.consumer, "replay_id": replay.id}
                cursor, count = (await session.execute(MAKE_DUE, values)).one()
            else:
                rows = (await session.execute(OLDEST_FIRST, values)).mappings().all()
                cursor, count = await _copy(redis, str(replay.to_stream), rows)
            current.replayed += count
            if cursor is None:
                current.state, current.ended_at = ReplayState.DONE, now()
                return ReplayState.DONE
            current.cursor = cursor
        advanced(current.replayed)
        if rate is not None:
            await asyncio.sleep(max(0.0, size / rate - (asyncio.get_running_loop().time() - began)))


async def cancel(sessions: Sessions, replay_id: UUID) -> tuple[ReplayState, int] | None:
    """Stop it, and take back what nobody has begun.

    Returns:
        Its state now and how many deliveries were taken back, or None where there is no such replay.

    """
    async with sessions.begin() as session:
        replay = await session.get(Replay, replay_id, with_for_update=True)
        if replay is None:
            return None
        if replay.state == ReplayState.RUNNING:
            replay.state, replay.ended_at = ReplayState.CANCELLED, now()
    taken_back = sum([await _all_of_it(sessions, statement, replay_id) for statement in (TAKE_BACK, TAKE_AWAY)])
    return ReplayState(replay.state), taken_back


async def _all_of_it(sessions: Sessions, statement: TextClause, replay_id: UUID) -> int:
    """A chunk at a time, until nothing is left. Returns how many."""
    total, last = 0, 1
    while last:
        async with sessions.begin() as session:
            result = await session.execute(statement, {"replay_id": replay_id, "limit": TAKE_BACK_CHUNK})
        last = int(result.rowcount)  # type: ignore[attr-defined]
        total += last
    return total


async def recent(sessions: Sessions, *, limit: int = 50) -> list[Replay]:
    """The newest first."""
    async with sessions() as session:
        return list(await session.scalars(select(Replay).order_by(Replay.created_at.desc()).limit(limit)))


async def _copy(redis: Redis, key: str, rows: Any) -> tuple[int | None, int]:
    """Append these to a stream of somebody's own, under the same ids; what it has already is not appended again."""
    if not rows:
        return None, 0
    last = await streams.last_id(redis, key)
    while new := [row for row in rows if row["position"] > streams.position(last)]:
        entries = [(f"{row['position']}-0", cloud_event(row)) for row in new]
        last = await streams.append(redis, key, believed=last, entries=entries)
        if last == entries[-1][0]:  # otherwise somebody else appended meanwhile
            failpoint("replay.after_copy")
            return rows[-1]["position"], len(new)
    return rows[-1]["position"], 0
