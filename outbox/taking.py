"""Taking what is due: each subject's deliveries in order, and what a lost worker held alone."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from outbox.claims import FIRST_OF_SUBJECT, WAITING_BEHIND
from outbox.delivery import Policy, Ticket

# Only the first open delivery of a subject is asked the full question: a long backlog of one subject stays cheap.
# The CASE keeps the planner from asking it of all of them in one join.
TAKE = f"""
UPDATE deliveries taken
SET state = 'running', attempts = taken.attempts + 1, due_at = now() + :lease, updated_at = now()
FROM (
    SELECT consumer, position FROM deliveries candidate
    WHERE consumer = :consumer AND state = '{{state}}' AND due_at <= now() AND type = ANY(:types)
    AND CASE WHEN {FIRST_OF_SUBJECT.format(row="candidate")}
        THEN NOT {WAITING_BEHIND.format(row="candidate")} ELSE false END
    ORDER BY due_at LIMIT :limit
    FOR UPDATE SKIP LOCKED
) free
WHERE taken.consumer = free.consumer AND taken.position = free.position
RETURNING taken.consumer, taken.position, taken.event_id, taken.subject, taken.type, taken.attempts
"""
TAKE_DUE = text(TAKE.format(state="due"))
TAKE_LAPSED = text(TAKE.format(state="running"))

# Behind those that were just taken: what follows in each subject, up to the first that is not due yet, not ours to
# handle, or not even read.
TAKE_BEHIND = text("""
WITH head AS (
    SELECT * FROM unnest(CAST(:subjects AS uuid[]), CAST(:positions AS bigint[])) AS head (subject, position)
), behind AS (
    SELECT head.subject, later.position, bool_and(later.state = 'due' AND later.due_at <= now()
        AND later.type = ANY(:types)) OVER (PARTITION BY head.subject ORDER BY later.position) AS in_turn
    FROM head CROSS JOIN LATERAL (
        SELECT position, state, due_at, type FROM deliveries
        WHERE (consumer, subject, position) > (:consumer, head.subject, head.position)
        AND (consumer, subject) <= (:consumer, head.subject)
        AND state IN ('due', 'running') ORDER BY consumer, subject, position LIMIT :limit
    ) later
), unread AS (
    SELECT head.subject, first.position FROM head CROSS JOIN LATERAL (
        SELECT min(event.position) AS position FROM outbox event
        JOIN subscriptions owed
            ON owed.consumer = :consumer AND owed.type = event.type AND owed.since < event.position
        WHERE event.subject = head.subject AND event.position > head.position AND NOT EXISTS (
            SELECT FROM deliveries known WHERE known.consumer = :consumer AND known.position = event.position
        )
    ) first
)
UPDATE deliveries taken
SET state = 'running', attempts = taken.attempts + 1, due_at = now() + :lease, updated_at = now()
FROM (
    SELECT behind.position FROM behind LEFT JOIN unread USING (subject)
    WHERE in_turn AND (unread.position IS NULL OR behind.position < unread.position)
    ORDER BY behind.position LIMIT :limit
) free
WHERE taken.consumer = :consumer AND taken.position = free.position AND taken.state = 'due'
RETURNING taken.consumer, taken.position, taken.event_id, taken.subject, taken.type, taken.attempts
""")

BURY = text("""
UPDATE deliveries SET state = 'dead', due_at = NULL, updated_at = now(),
    last_error = concat_ws(E'\\n', last_error, 'its worker was gone before the last attempt ended')
WHERE consumer = :consumer AND state = 'running' AND due_at <= now() AND attempts >= :max_attempts
""")


async def take_due(
    session: AsyncSession, consumer: str, types: Iterable[str], policy: Policy, *, limit: int, in_runs: bool = False
) -> list[Ticket]:
    """Take deliveries that are due, at most one of a subject. The attempt is counted before it starts.

    In runs, also those behind it in its subject: for whoever handles all of them in order, and together.
    """
    values = {"consumer": consumer, "types": list(types), "together": [], "lease": policy.lease, "limit": limit}
    taken = _tickets(await session.execute(TAKE_DUE, values))
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
    return next(iter(_tickets(await session.execute(TAKE_LAPSED, values))), None)


def _tickets(rows: Iterable[Iterable[Any]]) -> list[Ticket]:
    return [Ticket(*row) for row in rows]


def _in_order(tickets: Iterable[Ticket]) -> list[Ticket]:
    return sorted(tickets, key=lambda ticket: ticket.position)
