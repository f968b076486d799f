"""A delivery says what became of one event for one consumer: inbox, retries and dead letters are this one table."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base

MAX_BACKOFF = timedelta(hours=1)


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
        # Not by state, as the next one: the planner, whose figures lag behind a backlog, must not take it for that.
        Index("ix_deliveries_due_at", "consumer", "state", "due_at", postgresql_where="due_at IS NOT NULL"),
        Index(
            "ix_deliveries_open_subject",
            "consumer",
            "subject",
            "position",
            postgresql_where="state IN ('due', 'running')",
        ),
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


class Ticket(msgspec.Struct, frozen=True):
    """A delivery that this worker holds: the right to try it once, until its lease ends."""

    consumer: str
    position: int
    event_id: UUID
    subject: UUID
    type: str
    attempt: int


class Arrival(msgspec.Struct, frozen=True):
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
