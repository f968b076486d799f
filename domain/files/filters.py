"""What a search asks of files, as conditions on their columns; what they are compared with is bound by name."""

import operator
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, BindParameter, ColumnElement, Text, and_, bindparam, cast, func, literal_column
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.aggregate import now
from domain.files import search
from domain.files.model import Status
from domain.files.search import GRAM

Columns = ReadOnlyColumnCollection[str, Any]
Condition = ColumnElement[bool]
RANKS: ColumnElement[int] = literal_column("1000000")
NOWHERE: ColumnElement[int] = literal_column("0")
AVAILABLE: ColumnElement[str] = literal_column(f"'{Status.AVAILABLE}'")


class Sort(StrEnum):
    OLDEST = "created_at"
    NEWEST = "-created_at"
    NAME = "name"
    NAME_REVERSED = "-name"
    SMALLEST = "size"
    LARGEST = "-size"
    RELEVANCE = "relevance"

    @property
    def column(self) -> str:
        named = self.removeprefix("-")
        return {"name": "name_folded", "relevance": "created_at"}.get(named, named)

    @property
    def is_descending(self) -> bool:
        return self.startswith("-") or self is Sort.RELEVANCE


class Shelf(Enum):
    """Where an owner's files of a status are: each is one stretch of every index that is in an order."""

    NOTED = auto()
    AVAILABLE = auto()
    OVER = auto()
    """Not noted as expired yet."""


@dataclass(frozen=True, kw_only=True)
class FileSearch:
    """Whatever is None or empty is not asked for. Sizes in bytes, both ends included; times are not."""

    q: str | None = None
    name: str | None = None
    type: str | None = None
    tags: tuple[str, ...] = ()
    min_size: int | None = None
    max_size: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    expires_before: datetime | None = None
    status: Status = Status.AVAILABLE
    sort: Sort = Sort.NEWEST

    @property
    def folded_name(self) -> str:
        return search.fold(self.name or "")

    @property
    def shelves(self) -> tuple[Shelf, ...]:
        if self.status is Status.AVAILABLE:
            return (Shelf.AVAILABLE,)
        return (Shelf.NOTED, Shelf.OVER) if self.status is Status.EXPIRED else (Shelf.NOTED,)


RANGES: dict[str, tuple[str, Callable[[Any, Any], Condition]]] = {
    "min_size": ("size", operator.ge),
    "max_size": ("size", operator.le),
    "created_after": ("created_at", operator.gt),
    "created_before": ("created_at", operator.lt),
    "expires_before": ("expires_at", operator.lt),
}

TERMS = frozenset({"query", "name"})


def values(asked: FileSearch, owner_id: UUID) -> dict[str, Any] | None:
    """What the conditions of a search compare with, by its name. None where nothing can match."""
    queries, name = list(_queries(asked, owner_id)), asked.folded_name
    if None in queries or "\0" in name:
        return None
    if name and (
        len(name) >= GRAM or not queries
    ):  # what is short is in too many names to be worth while beside others
        queries.append(search.asked_name(owner_id, name))
    given = {each: getattr(asked, each) for each in RANGES if getattr(asked, each) is not None}
    given |= {"owner_id": owner_id, "status": asked.status, "moment": now()}
    given |= {"query": " & ".join(map(str, queries))} if queries else {}
    given |= {"name": name} if name else {}
    return given | ({"words": search.asked_words(owner_id, asked.q or "")} if asked.sort is Sort.RELEVANCE else {})


def on_shelf(c: Columns, shelf: Shelf) -> Condition:
    over = and_(c.expires_at.is_not(None), c.expires_at <= bound("moment", c.expires_at))
    mine = c.owner_id == bound("owner_id", c.owner_id)
    if shelf is Shelf.OVER:
        return and_(mine, c.status == AVAILABLE, over)
    mine = and_(mine, c.status == bound("status", c.status))
    return and_(mine, ~over) if shelf is Shelf.AVAILABLE else mine


def ranges(c: Columns, given: Collection[str]) -> Iterator[tuple[str, Condition]]:
    """Conditions on one column each, with its name."""
    for name, (column, compare) in RANGES.items():
        if name in given:
            yield column, compare(c[column], bound(name, c[column]))


def terms(c: Columns, given: Collection[str]) -> Iterator[Condition]:
    """What the inverted index answers, all of it at once."""
    if "query" in given:
        yield c.search.bool_op("@@")(_tsquery("query"))
    if "name" in given:
        yield func.strpos(c.name_folded, bound("name", c.name_folded)) > NOWHERE


def relevance(c: Columns) -> ColumnElement[int]:
    """A whole number: floats that were written and read again might not be equal."""
    return cast(func.ts_rank(c.search, _tsquery("words")) * RANKS, BigInteger).label("rank")


def bound(name: str, like: ColumnElement[Any]) -> BindParameter[Any]:
    """A value of the same type as a column's."""
    return bindparam(name, type_=like.type)


def _tsquery(name: str) -> ColumnElement[Any]:
    """Of its text."""
    return cast(bindparam(name, type_=Text()), TSQUERY)


def _queries(asked: FileSearch, owner_id: UUID) -> Iterator[str | None]:
    """Texts of tsqueries; None for one that nothing can match."""
    if asked.q:
        yield search.asked_words(owner_id, asked.q)
    if asked.type:
        yield search.asked_type(owner_id, asked.type)
    for tag in filter(None, asked.tags):
        yield search.asked_tag(owner_id, tag)
