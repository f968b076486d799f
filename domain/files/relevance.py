"""The most relevant files first: matches are ranked by windows, so that a page costs the same however many there are.

The newest `WINDOW` matches are ranked among themselves and come first, then the `WINDOW` before them, and so on. A
cursor names the ends of its window: what is added meanwhile moves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.actor import Actor, Scope
from domain.files.filters import FileSearch
from domain.files.finding import Ask, between, beyond, find_rows

WINDOW = 300
WALK = 10 * WINDOW


@dataclass(frozen=True)
class Match:
    """A file found, and the ends of the window in which it was ranked."""

    rank: int
    created_at: datetime
    id: UUID
    window: tuple[tuple[datetime, UUID], tuple[datetime, UUID]]

    @property
    def key(self) -> tuple[int, datetime, UUID]:
        return (self.rank, self.created_at, self.id)


async def find_relevant(ask: Ask, actor: Actor, asked: FileSearch, *, after: Match | None, limit: int) -> list[Match]:
    """The most relevant of the actor's files. Raises ScopeMissing."""
    owner_id = actor.with_scope(Scope.FILES_READ).account_id
    found: list[Match] = []
    start: dict[str, Any] = {}
    if after is not None:
        rows = await find_rows(ask, owner_id, asked, between(*after.window), limit=2 * WINDOW, steps=WALK)
        found = [replace(match, window=after.window) for match in _ranked(rows) if match.key < after.key]
        start = beyond(min(after.window))
    while len(found) < limit:
        rows = await find_rows(ask, owner_id, asked, start, limit=WINDOW, steps=WALK)
        found += _ranked(rows)
        if len(rows) < WINDOW:
            break
        start = beyond(_key(rows[-1]))
    return found[:limit]


def _ranked(rows: Sequence[Any]) -> list[Match]:
    if not rows:
        return []
    window = (_key(rows[0]), _key(rows[-1]))
    matches = (Match(rank=row["rank"], created_at=row["created_at"], id=row["id"], window=window) for row in rows)
    return sorted(matches, key=lambda match: match.key, reverse=True)


def _key(row: Any) -> tuple[datetime, UUID]:
    return row["created_at"], row["id"]
