"""The statements of a search: one for each shape that a search can have, made when it is first asked for.

To make one takes longer than to run it; what is asked for is bound to it by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, select, true, tuple_
from sqlalchemy.sql.expression import ColumnElement

from domain.files.filters import (
    RANGES,
    TERMS,
    Columns,
    Condition,
    Shelf,
    Sort,
    bound,
    on_shelf,
    ranges,
    relevance,
    terms,
)
from domain.files.model import File
from domain.files.sight import COLUMNS

FILES: Columns = File.__table__.c
SHAPES = 256
"""Statements that are kept, of each kind."""
LIMIT, WALK = bindparam("limit", type_=Integer()), bindparam("walk", type_=Integer())


@dataclass(frozen=True)
class Shape:
    given: frozenset[str]
    """The names of values. `after` is a key after which the page begins; `first` and `last` are keys, both included."""
    sort: Sort
    shelf: Shelf

    @property
    def is_met(self) -> bool:
        """Whether all there is lies on the way: nothing is asked for that the order does not know."""
        elsewhere = {name for name, (column, _) in RANGES.items() if column != self.sort.column}
        return self.given.isdisjoint(elsewhere | TERMS)

    def found(self, c: Columns) -> list[Any]:
        """Whole files, but where many are compared before any is shown."""
        if self.sort is Sort.RELEVANCE:
            return [c.id, c[self.sort.column], relevance(c)]
        return [c[name] for name in COLUMNS]

    def by(self, c: Columns) -> list[Any]:
        keys = [c[self.sort.column], c.id]
        return [key.desc() for key in keys] if self.sort.is_descending else keys

    def within(self, c: Columns) -> Iterator[Condition]:
        key = tuple_(c[self.sort.column], c.id)
        if "after" in self.given:
            yield key < self._key(c, "after") if self.sort.is_descending else key > self._key(c, "after")
        if "first" in self.given:
            yield key >= self._key(c, "first")
            yield key <= self._key(c, "last")

    def _key(self, c: Columns, name: str) -> ColumnElement[Any]:
        return tuple_(bound(name, c[self.sort.column]), bound(f"{name}_id", c.id))


@lru_cache(SHAPES)
def walk(shape: Shape) -> Select[Any]:
    """What is met on a walk in this order."""
    on_the_way = [condition for column, condition in ranges(FILES, shape.given) if column == shape.sort.column]
    way = select(File.__table__).where(on_shelf(FILES, shape.shelf), *on_the_way, *shape.within(FILES))
    if shape.is_met:
        return way.with_only_columns(*shape.found(FILES)).order_by(*shape.by(FILES)).limit(LIMIT)
    seen: Columns = way.order_by(*shape.by(FILES)).limit(WALK).subquery().c
    filters = [condition for column, condition in ranges(seen, shape.given) if column != shape.sort.column]
    return select(*shape.found(seen)).where(*filters, *terms(seen, shape.given)).order_by(*shape.by(seen)).limit(LIMIT)


@lru_cache(SHAPES)
def look_up(shape: Shape) -> Select[Any]:
    """The same through whichever index is best; all that matches is sorted, and what comes first is read once more."""
    shelf, within = on_shelf(FILES, shape.shelf), [condition for _, condition in ranges(FILES, shape.given)]
    words = list(terms(FILES, shape.given))
    if words and not within:
        shelf = shelf.is_(true())  # the words bear their owner's mark: reading all of the owner's entries helps no more
    matches = select(FILES.id, FILES[shape.sort.column]).where(shelf, *within, *words, *shape.within(FILES))
    every: Columns = matches.cte("every").prefix_with("MATERIALIZED").c
    first: Columns = select(*every).order_by(*shape.by(every)).limit(LIMIT).subquery().c
    return select(*shape.found(FILES)).where(FILES.id == first.id).order_by(*shape.by(first))
