"""The search for files: which, in which order, and from where on.

Most of what people ask for is soon met by walking their files in the order asked for. What is too rare for that is
looked up in an index, and sorted: there is little of it. Whichever it was, the answer is the same (ADR 0013).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Row, Select, Uuid, any_, bindparam, select, text, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain.actor import Actor, Scope
from domain.files.filters import Columns, Condition, FileSearch, Sort, ranges, relevance, shelves, terms
from domain.files.model import File
from domain.files.sight import SEEN, SeenFile

WALK = 2000
"""How many files are looked at in their order before an index is asked."""
BY_VALUES = text("SET LOCAL plan_cache_mode = force_custom_plan")
"""What is best depends on who asks for what: a plan for any value would sort all files of an owner who has many."""
FILES: Columns = File.__table__.c
THESE = SEEN.where(File.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))

Key = tuple[Any, UUID]
"""Where a file stands in an order: the value of a column, and its id."""
Keys = Sequence[Row[Any]]
"""Of each file its id and the order's column, and where that is asked for its relevance."""


@dataclass(frozen=True)
class Order:
    """By a column, then by id; only what comes after a key, or only between two keys, both included."""

    column: str
    descending: bool
    after: Key | None = None
    between: tuple[Key, Key] | None = None

    @classmethod
    def of(cls, sort: Sort, after: Key | None) -> Self:
        return cls(sort.column, sort.is_descending, after)

    def by(self, c: Columns) -> list[Any]:
        keys = [c[self.column], c.id]
        return [key.desc() for key in keys] if self.descending else keys

    def within(self, c: Columns) -> list[Condition]:
        key = tuple_(c[self.column], c.id)
        if self.between is not None:
            first, last = sorted(self.between)
            return [key >= tuple_(*first), key <= tuple_(*last)]
        if self.after is not None:
            return [key < tuple_(*self.after) if self.descending else key > tuple_(*self.after)]
        return []

    def found(self, c: Columns, owner_id: UUID, asked: FileSearch) -> list[Any]:
        return [c.id, c[self.column], *([relevance(c, owner_id, asked)] if asked.sort is Sort.RELEVANCE else ())]

    def key(self, row: Any) -> Key:
        return getattr(row, self.column), row.id


async def find_files(
    session: AsyncSession, actor: Actor, asked: FileSearch, *, after: Key | None, limit: int
) -> list[SeenFile]:
    """The actor's files, in any order but that of relevance."""
    owner_id = actor.with_scope(Scope.FILES_READ).account_id
    keys = await find_keys(session, owner_id, asked, Order.of(asked.sort, after), limit=limit)
    return await files_of(session, [row.id for row in keys])


async def files_of(session: AsyncSession, ids: Sequence[UUID]) -> list[SeenFile]:
    """In the order of the ids; one that was removed meanwhile is left out."""
    rows = await session.execute(THESE, {"ids": list(ids)}) if ids else ()
    files = {row.id: SeenFile(*row) for row in rows}
    return [files[id_] for id_ in ids if id_ in files]


async def find_keys(
    session: AsyncSession, owner_id: UUID, asked: FileSearch, order: Order, *, limit: int, walk: int = WALK
) -> Keys:
    await session.execute(BY_VALUES)
    ordered, *others = shelves(FILES, asked, owner_id)
    statement, is_all = _walk(ordered, owner_id, asked, order, limit, walk)
    found: Keys = (await session.execute(statement)).all()
    if not is_all and len(found) < limit:
        found = await _look_up(session, ordered, owner_id, asked, order, limit)
    for shelf in others:
        more = await _look_up(session, shelf, owner_id, asked, order, limit)
        found = _merged((*found, *more), order)[:limit]
    return found


def _walk(
    shelf: Condition, owner_id: UUID, asked: FileSearch, order: Order, limit: int, walk: int
) -> tuple[Select[Any], bool]:
    """What is met on a walk in this order, and whether that is all there is."""
    on_the_way = [condition for column, condition in ranges(FILES, asked) if column == order.column]
    way = select(File.__table__).where(shelf, *on_the_way, *order.within(FILES)).order_by(*order.by(FILES))
    seen: Columns = way.limit(walk).subquery().c
    filters = [condition for column, condition in ranges(seen, asked) if column != order.column]
    filters += terms(seen, asked, owner_id)
    if not filters:
        return way.with_only_columns(*order.found(FILES, owner_id, asked)).limit(limit), True
    found = select(*order.found(seen, owner_id, asked)).where(*filters)
    return found.order_by(*order.by(seen)).limit(limit), False


async def _look_up(
    session: AsyncSession, shelf: Condition, owner_id: UUID, asked: FileSearch, order: Order, limit: int
) -> Keys:
    """The same through whichever index is best; all that matches is sorted."""
    within, words = [condition for _, condition in ranges(FILES, asked)], terms(FILES, asked, owner_id)
    if words and not within:
        shelf = shelf.is_(true())  # the words bear their owner's mark: reading all of the owner's entries helps no more
    matches = select(FILES.id, FILES[order.column], FILES.search).where(shelf, *within, *words, *order.within(FILES))
    every: Columns = matches.cte("every").prefix_with("MATERIALIZED").c
    first: Columns = select(*every).order_by(*order.by(every)).limit(limit).subquery().c
    return (await session.execute(select(*order.found(first, owner_id, asked)).order_by(*order.by(first)))).all()


def _merged(rows: Iterable[Row[Any]], order: Order) -> Keys:
    """A file that was noted as expired between two queries is in both."""
    return sorted({row.id: row for row in rows}.values(), key=order.key, reverse=order.descending)
