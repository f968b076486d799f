"""Taking what is due: each subject's deliveries in order, and what a lost worker held alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from outbox.claims import FIRST_OPEN, OWED, WAITING_BEHIND
from outbox.delivery import Policy, Ticket

WINDOW = 5000
"""Deliveries that are looked at first, those that are longest due: a million that are due cost no more."""
EVERYTHING = 2**31

# Both statements are written so that no figure of the planner matters, since its figures lag behind a backlog: what
# has a LIMIT is asked once for each row to its left, no index knows of a CASE, and an ARRAY goes by the primary key.
TAKEN = """
UPDATE deliveries taken
SET state = 'running', attempts = taken.attempts + 1, due_at = now() + :lease, updated_at = now()
WHERE taken.consumer = :consumer AND taken.position = ANY(ARRAY(SELECT position FROM free))
RETURNING taken.consumer, taken.position, taken.event_id, taken.subject, taken.type, taken.attempts
"""

# Subject by subject, since only the first open delivery of each may be taken: a long backlog of one stays cheap.
# `free` says again what `first` has said, for when another worker was quicker.
TAKE = f"""
WITH oldest AS MATERIALIZED (
    SELECT subject FROM (
        SELECT subject, due_at FROM deliveries
        WHERE consumer = :consumer AND state = '{{state}}' AND due_at <= now() AND type = ANY(:types)
        ORDER BY due_at LIMIT :window
    ) due
    GROUP BY subject ORDER BY min(due_at)
), free AS MATERIALIZED (
    SELECT candidate.position
    FROM oldest CROSS JOIN LATERAL ({FIRST_OPEN.format(columns="*", row="oldest")}) first
    CROSS JOIN LATERAL (
        SELECT candidate.position FROM deliveries candidate
        WHERE candidate.consumer = :consumer AND candidate.position = first.position
        AND CASE candidate.state WHEN '{{state}}' THEN candidate.due_at <= now() END
        LIMIT 1 FOR UPDATE SKIP LOCKED
    ) candidate
    WHERE first.state = '{{state}}' AND first.due_at <= now() AND first.type = ANY(:types)
    AND NOT {WAITING_BEHIND.format(row="first")}
    LIMIT :limit
)
{TAKEN}
"""
TAKE_DUE = text(TAKE.format(state="due"))
TAKE_LAPSED = text(TAKE.format(state="running"))

# Behind those that were just taken: what follows in each subject, up to the first that is not due yet, not ours to
# handle, or not even read.
TAKE_BEHIND = text(f"""
WITH head AS (
    SELECT * FROM unnest(CAST(:subjects AS uuid[]), CAST(:positions AS bigint[])) AS head (subject, position)
), behind AS MATERIALIZED (
    SELECT head.subject, later.position, bool_and(later.state = 'due' AND later.due_at <= now()
        AND later.type = ANY(:types)) OVER (PARTITION BY head.subject ORDER BY later.position) AS in_turn
    FROM head CROSS JOIN LATERAL (
        SELECT position, state, due_at, type FROM deliveries
        WHERE (consumer, subject, position) > (:consumer, head.subject, head.position)
        AND (consumer, subject) <= (:consumer, head.subject)
        AND state IN ('due', 'running') ORDER BY consumer, subject, position LIMIT :limit
    ) later
), unread AS MATERIALIZED (
    SELECT head.subject, (
        SELECT event.position FROM outbox event
        WHERE (event.subject, event.position) > (head.subject, head.position)
        AND (event.subject, event.position)
            < (head.subject, (SELECT max(behind.position) FROM behind WHERE behind.subject = head.subject))
        AND {OWED.format(event="event")} AND (
            SELECT known.position FROM deliveries known
            WHERE known.consumer = :consumer AND known.position = event.position LIMIT 1
        ) IS NULL
        ORDER BY event.subject, event.position LIMIT 1
    ) AS position
    FROM head
), free AS MATERIALIZED (
    SELECT behind.position FROM behind JOIN unread USING (subject)
    WHERE in_turn AND (unread.position IS NULL OR behind.position < unread.position)
    ORDER BY behind.position LIMIT :limit
)
{TAKEN}
""")

WHO_HAS_DUE = text("""
SELECT name FROM unnest(CAST(:names AS text[])) AS consumer (name)
WHERE EXISTS (SELECT 1 FROM deliveries WHERE consumer = name AND state = 'due' AND due_at <= now())
OR EXISTS (SELECT 1 FROM deliveries WHERE consumer = name AND state = 'running' AND due_at <= now())
""")

BURY = text("""
UPDATE deliveries SET state = 'dead', due_at = NULL, updated_at = now(),
    last_error = concat_ws(E'\\n', last_error, 'its worker was gone before the last attempt ended')
WHERE consumer = :consumer AND state = 'running' AND due_at <= now() AND attempts >= :max_attempts
""")


async def who_has_due(session: AsyncSession, names: list[str]) -> list[str]:
    """Which of these consumers have something to take, or to wait for: a few looks into an index."""
    return list(await session.scalars(WHO_HAS_DUE, {"names": names}))


async def take_due(
    session: AsyncSession, consumer: str, types: Iterable[str], policy: Policy, *, limit: int, in_runs: bool = False
) -> list[Ticket]:
    """Take deliveries that are due, at most one of a subject. The attempt is counted before it starts.

    In runs, also those behind it in its subject: for whoever handles all of them in order, and together.
    """
    values = {"consumer": consumer, "types": list(types), "together": [], "lease": policy.lease, "limit": limit}
    taken = await _take(session, TAKE_DUE, values)
    if in_runs and taken and len(taken) < limit:
        heads = {"subjects": [each.subject for each in taken], "positions": [each.position for each in taken]}
        behind = await session.execute(TAKE_BEHIND, values | heads | {"limit": limit - len(taken)})
        return _in_order([*taken, *_tickets(behind)])
    return _in_order(taken)


async def take_lapsed(session: AsyncSession, consumer: str, types: Iterable[str], policy: Policy) -> Ticket | None:
    """Take one delivery whose worker is gone: alone, since it may have been what ended that worker.

    Those that have had their last attempt are dead: an event that kills whoever handles it is bounded too.
    """
    await session.execute(BURY, {"consumer": consumer, "max_attempts": policy.max_attempts})
    values = {"consumer": consumer, "types": list(types), "together": [], "lease": policy.lease, "limit": 1}
    return next(iter(await _take(session, TAKE_LAPSED, values)), None)


async def _take(session: AsyncSession, statement: TextClause, values: Mapping[str, Any]) -> list[Ticket]:
    """Where all that is longest due must wait, look at everything."""
    for window in (WINDOW, EVERYTHING):
        if taken := _tickets(await session.execute(statement, {**values, "window": window})):
            return taken
    return []


def _tickets(rows: Iterable[Iterable[Any]]) -> list[Ticket]:
    return [Ticket(*row) for row in rows]


def _in_order(tickets: Iterable[Ticket]) -> list[Ticket]:
    return sorted(tickets, key=lambda ticket: ticket.position)
