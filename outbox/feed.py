"""What has happened, page by page and oldest first, for whoever may see it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from re import Pattern
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import now
from infra.glob import like, pattern
from outbox.message import OutboxMessage

WINDOW = 100_000
"""Positions that one page looks through: of a rare type there may be none in as many."""
LATE_SECONDS = 600
"""How much later than its time an event may get its position, since its transaction took so long."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events are meant. Without `owner` those of everybody, and of nobody."""

    owner: UUID | None = None
    type: str | None = None
    """A glob, as in `file.*`."""
    subject: UUID | None = None

    def clauses(self) -> Iterator[ColumnElement[bool]]:
        """Only those that are asked for: one plan for all of them would look through everybody's."""
        if self.owner is not None:
            yield OutboxMessage.owner_id == self.owner
        if self.type is not None:
            yield OutboxMessage.type.like(like(self.type) or "")
        if self.subject is not None:
            yield OutboxMessage.subject == self.subject

    def admits(self, row: Any) -> bool:
        """The same, of a row that was read already."""
        return (
            (self.owner is None or row["owner_id"] == self.owner)
            and (self.subject is None or row["subject"] == self.subject)
            and (self._types is None or bool(self._types.fullmatch(row["type"])))
        )

    @property
    def has_an_index(self) -> bool:
        return self.owner is not None or self.subject is not None

    @cached_property
    def _types(self) -> Pattern[str] | None:
        return None if self.type is None else pattern(self.type)


EVERYTHING = Filter()


@dataclass(frozen=True)
class Page:
    """`position` is how far was looked; there may be `more` beyond it, also where it has no rows."""

    rows: Sequence[Any]
    position: int
    more: bool


async def newest(session: AsyncSession) -> int:
    """The last position that was given. Positions are given under a lock: nothing comes before it any more."""
    return await session.scalar(select(func.max(OutboxMessage.position))) or 0


async def before_the_oldest(session: AsyncSession) -> int:
    """The position after which everything is that is still known."""
    return (await session.scalar(select(func.min(OutboxMessage.position))) or 1) - 1


async def page(session: AsyncSession, filter_: Filter, *, after: int, limit: int, upto: int | None = None) -> Page:
    """The events past a position, and not past `upto`: rows for `cloud_event`."""
    end = await newest(session) if upto is None else upto
    reach = end if filter_.has_an_index else min(end, after + WINDOW)
    query = (
        select(*OutboxMessage.__table__.columns)
        .where(OutboxMessage.position > after, OutboxMessage.position <= reach, *filter_.clauses())
        .order_by(OutboxMessage.position)
        .limit(limit + 1)
    )
    rows = (await session.execute(query)).mappings().all()
    if len(rows) > limit:
        return Page(rows[:limit], rows[limit - 1]["position"], more=True)
    return Page(rows, max(reach, after), more=reach < end)


async def is_expired(session: AsyncSession, after: int, *, retention_days: int) -> bool:
    """Whether something past this position may be forgotten already: whoever resumes there could miss it.

    What is old and not finished is kept, so that it tells nothing of what came behind it.
    """
    if after >= await newest(session):
        return False
    next_one = select(OutboxMessage.recorded_at).where(OutboxMessage.position == after + 1)
    recorded_at = await session.scalar(next_one)
    oldest = now() - timedelta(days=retention_days) + timedelta(seconds=LATE_SECONDS)
    return recorded_at is None or recorded_at < oldest
