"""Deliveries: who has handled what. Inbox, retries and dead letters are one table, and these are its statements."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base

MAX_BACKOFF = timedelta(hours=1)
MAX_ERROR_LENGTH = 8000


class State(StrEnum):
    DUE = "due"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    DISCARDED = "discarded"


class Delivery(Base):
    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'running', 'done', 'dead', 'discarded')", name="state"),
        Index("ix_deliveries_open", "consumer", "due_at", postgresql_where="state IN ('due', 'running')"),
        Index("ix_deliveries_replay_id", "replay_id", postgresql_where="replay_id IS NOT NULL"),
        Index("ix_deliveries_dead", "consumer", "position", postgresql_where="state = 'dead'"),
    )

    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    event_id: Mapped[UUID]
    subject: Mapped[UUID]
    type: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime | None]
    """When a due one may be tried; when a running one's lease ends; null when it has ended."""
    last_error: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime]
    replay_id: Mapped[UUID | None]
    before_replay: Mapped[str | None] = mapped_column(Text)
    """The state to which a cancelled replay returns it."""
    discarded_by: Mapped[str | None] = mapped_column(Text)
    discard_reason: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True)
class Ticket:
    """A delivery that this worker holds: the right to try it once, until its lease ends."""

    consumer: str
    position: int
    event_id: UUID
    subject: UUID
    type: str
    attempt: int


@dataclass(frozen=True)
class Arrival:
    """What an entry of a stream says of its event; all that is needed to claim it."""

    position: int
    event_id: UUID
    subject: UUID
    type: str


class LeaseLost(Exception):
    """Another worker has this delivery by now; what we did for it must not be committed."""


@dataclass(frozen=True)
class Policy:
    """How often to try, how long to wait in between, and when a silent worker counts as gone.

    Backoff is exponential with jitter: `base` seconds, then twice as long each time.
    """

    max_attempts: int = 10
    base: float = 1.0
    lease: timedelta = timedelta(seconds=30)
    """A running delivery whose lease has not been renewed so long may be taken by another worker."""

    def delay(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts have failed."""
        longest = min(self.base * 2 ** (attempts - 1), MAX_BACKOFF.total_seconds())
        return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311 - jitter, not a secret


WAITING_BEHIND = """
EXISTS (
    SELECT FROM outbox earlier
    WHERE earlier.subject = {row}.subject AND earlier.position < {row}.position AND earlier.type = ANY(:types)
    AND earlier.position <> ALL(:together)
    AND NOT EXISTS (
        SELECT FROM deliveries ended
        WHERE ended.consumer = :consumer AND ended.position = earlier.position
        AND ended.state IN ('done', 'dead', 'discarded')
    )
)
"""
"""An earlier event of the same subject has not ended for this consumer: be it due, running, or not even read yet."""

CLAIM = text(f"""
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at)
SELECT :consumer, arrived.position, arrived.event_id, arrived.subject, arrived.type,
    CASE WHEN arrived.waits THEN 'due' ELSE :state END,
    CASE WHEN arrived.waits THEN 0 ELSE 1 END,
    CASE WHEN arrived.waits OR :state = 'due' THEN now() WHEN :state = 'running' THEN now() + :lease END,
    now()
FROM (
    SELECT entry.*, {WAITING_BEHIND.format(row="entry")} AS waits
    FROM unnest(CAST(:positions AS bigint[]), CAST(:event_ids AS uuid[]), CAST(:subjects AS uuid[]),
        CAST(:entry_types AS text[])) AS entry (position, event_id, subject, type)
) arrived
ON CONFLICT DO NOTHING
RETURNING position, state
""")

TAKE_DUE = text(f"""
UPDATE deliveries taken
SET state = 'running', attempts = taken.attempts + 1, due_at = now() + :lease, updated_at = now()
FROM (
    SELECT consumer, position FROM deliveries candidate
    WHERE consumer = :consumer AND state IN ('due', 'running') AND due_at <= now()
    AND NOT {WAITING_BEHIND.format(row="candidate")}
    ORDER BY due_at, position LIMIT :limit
    FOR UPDATE SKIP LOCKED
) free
WHERE taken.consumer = free.consumer AND taken.position = free.position
RETURNING taken.consumer, taken.position, taken.event_id, taken.subject, taken.type, taken.attempts
""")

BURY = text("""
UPDATE deliveries SET state = 'dead', due_at = NULL, updated_at = now(),
    last_error = concat_ws(E'\\n', last_error, 'its worker was gone before the last attempt ended')
WHERE consumer = :consumer AND state = 'running' AND due_at <= now() AND attempts >= :max_attempts
""")
"""An event that kills whoever handles it is bounded too."""

MINE = "WHERE consumer = :consumer AND position = :position AND state = 'running' AND attempts = :attempt"

FINISH = text(f"UPDATE deliveries SET state = 'done', due_at = NULL, last_error = NULL, updated_at = now() {MINE}")

FAIL = text(f"""
UPDATE deliveries SET state = :state, last_error = :error, updated_at = now(),
    due_at = CASE WHEN :state = 'due' THEN now() + :delay END
{MINE}
""")

HAND_BACK = text(f"""
UPDATE deliveries SET state = 'due', attempts = attempts - 1, due_at = now(), updated_at = now() {MINE}
""")

RENEW = text("""
UPDATE deliveries held SET due_at = now() + :lease
FROM unnest(CAST(:consumers AS text[]), CAST(:positions AS bigint[]), CAST(:attempts AS int[]))
    AS mine (consumer, position, attempt)
WHERE held.consumer = mine.consumer AND held.position = mine.position
AND held.state = 'running' AND held.attempts = mine.attempt
""")


async def claim(
    session: AsyncSession,
    consumer: str,
    types: Iterable[str],
    arrivals: Sequence[Arrival],
    *,
    state: State,
    lease: timedelta,
) -> list[Arrival]:
    """Take what nobody has taken, in order; those that must wait behind an earlier event become due instead.

    `state` is DONE where the effect commits in this very transaction, RUNNING where we are about to try it, and DUE
    where somebody else shall.
    """
    rows = await session.execute(
        CLAIM,
        {
            "consumer": consumer,
            "types": list(types),
            "together": [arrival.position for arrival in arrivals],
            "state": state,
            "lease": lease,
            "positions": [arrival.position for arrival in arrivals],
            "event_ids": [arrival.event_id for arrival in arrivals],
            "subjects": [arrival.subject for arrival in arrivals],
            "entry_types": [arrival.type for arrival in arrivals],
        },
    )
    taken = {position for position, became in rows if became == state}
    return sorted((each for each in arrivals if each.position in taken), key=lambda arrival: arrival.position)


async def take_due(
    session: AsyncSession, consumer: str, types: Iterable[str], policy: Policy, *, limit: int
) -> list[Ticket]:
    """Take deliveries that are due, or whose worker is gone. The attempt is counted before it starts."""
    await session.execute(BURY, {"consumer": consumer, "max_attempts": policy.max_attempts})
    rows = await session.execute(
        TAKE_DUE, {"consumer": consumer, "types": list(types), "together": [], "lease": policy.lease, "limit": limit}
    )
    return sorted((Ticket(*row) for row in rows), key=lambda ticket: ticket.position)


async def finish(session: AsyncSession, ticket: Ticket) -> None:
    """Note, in the effect's own transaction, that it is done. Raises LeaseLost."""
    result = await session.execute(FINISH, _key(ticket))
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost


async def fail(session: AsyncSession, ticket: Ticket, error: str, policy: Policy, *, final: bool = False) -> State:
    """Note a failed attempt: due again later, or dead after the last one or where retrying cannot help."""
    state = State.DEAD if final or ticket.attempt >= policy.max_attempts else State.DUE
    values = {
        "state": state,
        "error": error[-MAX_ERROR_LENGTH:].replace("\0", ""),
        "delay": policy.delay(ticket.attempt),
    }
    await session.execute(FAIL, _key(ticket) | values)
    return state


async def hand_back(session: AsyncSession, ticket: Ticket) -> None:
    """Give up a ticket that was not tried: somebody else may have it at once, and no attempt is counted."""
    await session.execute(HAND_BACK, _key(ticket))


async def renew(session: AsyncSession, tickets: Sequence[Ticket], *, lease: timedelta) -> None:
    """Say that we are still at it, so that nobody else begins."""
    values = {
        "lease": lease,
        "consumers": [ticket.consumer for ticket in tickets],
        "positions": [ticket.position for ticket in tickets],
        "attempts": [ticket.attempt for ticket in tickets],
    }
    await session.execute(RENEW, values)


def _key(ticket: Ticket) -> dict[str, object]:
    return {"consumer": ticket.consumer, "position": ticket.position, "attempt": ticket.attempt}
