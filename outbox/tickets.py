"""Tickets: the right to try a delivery once, from taking it to noting how it ended."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from outbox.claims import FIRST_OF_SUBJECT, WAITING_BEHIND
from outbox.delivery import LeaseLost, Policy, State, Ticket

MAX_ERROR_LENGTH = 8000

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

BURY = text("""
UPDATE deliveries SET state = 'dead', due_at = NULL, updated_at = now(),
    last_error = concat_ws(E'\\n', last_error, 'its worker was gone before the last attempt ended')
WHERE consumer = :consumer AND state = 'running' AND due_at <= now() AND attempts >= :max_attempts
""")

MINE = "WHERE consumer = :consumer AND position = :position AND state = 'running' AND attempts = :attempt"
FAIL = text(f"""
UPDATE deliveries SET state = :state, last_error = :error, updated_at = now(),
    due_at = CASE WHEN :state = 'due' THEN now() + :delay END
{MINE}
""")
HAND_BACK = text(f"""
UPDATE deliveries SET state = 'due', attempts = attempts - 1, due_at = now(), updated_at = now() {MINE}
""")
HELD = """
FROM unnest(CAST(:consumers AS text[]), CAST(:positions AS bigint[]), CAST(:attempts AS int[]))
    AS mine (consumer, position, attempt)
WHERE held.consumer = mine.consumer AND held.position = mine.position
AND held.state = 'running' AND held.attempts = mine.attempt
"""
FINISH = text(f"""
UPDATE deliveries held SET state = 'done', due_at = NULL, last_error = NULL, updated_at = now() {HELD}
""")
RENEW = text(f"UPDATE deliveries held SET due_at = now() + :lease {HELD}")


async def take_due(
    session: AsyncSession, consumer: str, types: Iterable[str], policy: Policy, *, limit: int
) -> list[Ticket]:
    """Take deliveries that are due, at most one of a subject. The attempt is counted before it starts."""
    values = {"consumer": consumer, "types": list(types), "together": [], "lease": policy.lease, "limit": limit}
    return _tickets(await session.execute(TAKE_DUE, values))


async def take_lapsed(session: AsyncSession, consumer: str, types: Iterable[str], policy: Policy) -> Ticket | None:
    """Take one delivery whose worker is gone: alone, since it may have been what ended that worker.

    Those that have had their last attempt are dead: an event that kills whoever handles it is bounded too.
    """
    await session.execute(BURY, {"consumer": consumer, "max_attempts": policy.max_attempts})
    values = {"consumer": consumer, "types": list(types), "together": [], "lease": policy.lease, "limit": 1}
    return next(iter(_tickets(await session.execute(TAKE_LAPSED, values))), None)


async def finish(session: AsyncSession, tickets: Sequence[Ticket]) -> None:
    """Note, in the effects' own transaction, that they are done. Raises LeaseLost, if of any of them."""
    result = await session.execute(FINISH, _keys(tickets))
    if result.rowcount != len(tickets):  # type: ignore[attr-defined]
        raise LeaseLost


async def fail(
    session: AsyncSession, ticket: Ticket, error: str, policy: Policy, *, final: bool | None = None
) -> State:
    """Note a failed attempt: due again later, or dead.

    `final` says whether retrying can help; where it does not say, the last attempt is the one that the policy names.
    """
    is_last = ticket.attempt >= policy.max_attempts if final is None else final
    state = State.DEAD if is_last else State.DUE
    values = {"state": state, "error": _storable(error), "delay": policy.delay(ticket.attempt)}
    await session.execute(FAIL, _key(ticket) | values)
    return state


async def hand_back(session: AsyncSession, ticket: Ticket) -> None:
    """Give up a ticket that was not tried: somebody else may have it at once, and no attempt is counted."""
    await session.execute(HAND_BACK, _key(ticket))


async def renew(session: AsyncSession, tickets: Sequence[Ticket], policy: Policy) -> None:
    """Say that we are still at it, so that nobody else begins."""
    await session.execute(RENEW, _keys(tickets) | {"lease": policy.lease})


def _tickets(rows: Iterable[Sequence[object]]) -> list[Ticket]:
    return sorted((Ticket(*row) for row in rows), key=lambda ticket: ticket.position)  # type: ignore[arg-type]


def _storable(error: str) -> str:
    """The end of it, which says most, without what Postgres cannot hold."""
    return error[-MAX_ERROR_LENGTH:].replace("\0", "").encode(errors="backslashreplace").decode()


def _keys(tickets: Sequence[Ticket]) -> dict[str, object]:
    return {
        "consumers": [ticket.consumer for ticket in tickets],
        "positions": [ticket.position for ticket in tickets],
        "attempts": [ticket.attempt for ticket in tickets],
    }


def _key(ticket: Ticket) -> dict[str, object]:
    return {"consumer": ticket.consumer, "position": ticket.position, "attempt": ticket.attempt}
