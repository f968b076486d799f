"""What becomes of a ticket, the right to try a delivery once: done, failed, handed back, or renewed meanwhile."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from infra.driver import Driver, Statement, rows_within
from outbox.delivery import LeaseLost, Policy, State, Ticket

MAX_ERROR_LENGTH = 8000

# By the primary key, whatever the planner believes: every other index is partial, and a CASE implies no such condition.
# By that of what is open it would read all that is running, and all that has ended since the last vacuum.
RUNNING = "CASE state WHEN 'running' THEN attempts END"
MINE = f"WHERE consumer = :consumer AND position = :position AND {RUNNING} = :attempt"
HELD = f"""
FROM unnest(CAST(:positions AS bigint[]), CAST(:attempts AS int[])) AS mine (held, attempt)
WHERE consumer = :consumer AND position = ANY(:positions) AND position = mine.held AND {RUNNING} = mine.attempt
"""
DONE = "UPDATE deliveries SET state = 'done', due_at = NULL, last_error = NULL, updated_at = now()"
FINISH = Statement.of(text(f"{DONE} {MINE} RETURNING position, attempts"))
FINISH_ALL = Statement.of(text(f"{DONE} {HELD} RETURNING position, attempts"))
FAIL = text(f"""
UPDATE deliveries SET state = :state, last_error = :error, updated_at = now(),
    due_at = CASE WHEN :state = 'due' THEN now() + :delay END
{MINE}
""")
HAND_BACK = text(f"""
UPDATE deliveries SET state = 'due', attempts = attempts - 1, due_at = now(), updated_at = now() {HELD}
""")
RENEW = text(f"UPDATE deliveries SET due_at = now() + :lease {HELD}")


async def finish(session: AsyncSession, tickets: Sequence[Ticket]) -> None:
    """Note, in the effects' own transaction, that they are done. Raises LeaseLost, if of any of them."""
    if len(await rows_within(session, *_finishing(tickets))) != len(tickets):
        raise LeaseLost


async def finish_each(driver: Driver, tickets: Sequence[Ticket]) -> set[tuple[int, int]]:
    """Note, in a transaction of its own, that these of one consumer are done.

    Returns:
        Position and attempt of those that still were ours.

    """
    return {(row["position"], row["attempts"]) for row in await driver.rows(*_finishing(tickets))}


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


async def hand_back(session: AsyncSession, tickets: Sequence[Ticket]) -> None:
    """Give up tickets that were not tried: somebody else may have them at once, and no attempt is counted."""
    await session.execute(HAND_BACK, _keys(tickets))


async def renew(session: AsyncSession, tickets: Sequence[Ticket], policy: Policy) -> None:
    """Say that we are still at it, so that nobody else begins."""
    await session.execute(RENEW, _keys(tickets) | {"lease": policy.lease})


def _storable(error: str) -> str:
    """The end of it, which says most, without what Postgres cannot hold."""
    return error[-MAX_ERROR_LENGTH:].replace("\0", "").encode(errors="backslashreplace").decode()


def _finishing(tickets: Sequence[Ticket]) -> tuple[Statement, dict[str, object]]:
    """One by itself is what Postgres need not plan anew each time."""
    return (FINISH, _key(tickets[0])) if len(tickets) == 1 else (FINISH_ALL, _keys(tickets))


def _keys(tickets: Sequence[Ticket]) -> dict[str, object]:
    """Of one consumer, one at least. In order: statements that lock the same rows had better do so in the same one."""
    ordered = sorted(tickets, key=lambda ticket: ticket.position)
    return {
        "consumer": ordered[0].consumer,
        "positions": [ticket.position for ticket in ordered],
        "attempts": [ticket.attempt for ticket in ordered],
    }


def _key(ticket: Ticket) -> dict[str, object]:
    return {"consumer": ticket.consumer, "position": ticket.position, "attempt": ticket.attempt}
