"""The most relevant files first: matches are ranked by windows, so that a page costs the same however many there are.

The newest `WINDOW` matches are ranked among themselves and come first, then the `WINDOW` before them, and so on. A
cursor names the ends of its window: what is added meanwhile moves nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.actor import Actor, Scope
from domain.files.filters import FileSearch
from domain.files.finding import Key, Keys, Order, find_keys

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


async def find_relevant(
    session: AsyncSession, actor: Actor, asked: FileSearch, *, after: Match | None, limit: int
) -> list[Match]:
    owner_id = actor.with_scope(Scope.FILES_READ).account_id
    found: list[Match] = []
    older: Key | None = None
    if after is not None:
        rest = Order("created_at", descending=True, between=after.window)
        keys = await find_keys(session, owner_id, asked, rest, limit=2 * WINDOW, walk=WALK)
        found = [replace(match, window=after.window) for match in _ranked(keys) if match.key < after.key]
        older = min(after.window)
    while len(found) < limit:
        window = Order("created_at", descending=True, after=older)
        keys = await find_keys(session, owner_id, asked, window, limit=WINDOW, walk=WALK)
        found += _ranked(keys)
        if len(keys) < WINDOW:
            break
        older = window.key(keys[-1])
    return found[:limit]


def _ranked(keys: Keys) -> list[Match]:
    if not keys:
        return []
    window = ((keys[0].created_at, keys[0].id), (keys[-1].created_at, keys[-1].id))
    matches = (Match(rank=row.rank, created_at=row.created_at, id=row.id, window=window) for row in keys)
    return sorted(matches, key=lambda match: match.key, reverse=True)
