"""What a search asks of files, as conditions on their columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, and_, cast, false, func
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.aggregate import now
from domain.files import search
from domain.files.model import Status
from domain.files.search import GRAM

Columns = ReadOnlyColumnCollection[str, Any]
Condition = ColumnElement[bool]
RANKS = 1_000_000


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


def shelves(c: Columns, asked: FileSearch, owner_id: UUID) -> list[Condition]:
    """Where the owner's files of that status are: each of these is one stretch of every index that is in an order."""
    moment = now()
    over = and_(c.expires_at.is_not(None), c.expires_at <= moment)
    mine = and_(c.owner_id == owner_id, c.status == asked.status)
    if asked.status is Status.AVAILABLE:
        return [and_(mine, ~over)]
    if asked.status is Status.EXPIRED:  # also what is over but not noted as such yet
        return [mine, and_(c.owner_id == owner_id, c.status == Status.AVAILABLE, over)]
    return [mine]


def ranges(c: Columns, asked: FileSearch) -> Iterator[tuple[str, Condition]]:
    """Conditions on one column each, with its name."""
    if asked.min_size is not None:
        yield "size", c.size >= asked.min_size
    if asked.max_size is not None:
        yield "size", c.size <= asked.max_size
    if asked.created_after is not None:
        yield "created_at", c.created_at > asked.created_after
    if asked.created_before is not None:
        yield "created_at", c.created_at < asked.created_before
    if asked.expires_before is not None:
        yield "expires_at", c.expires_at < asked.expires_before


def terms(c: Columns, asked: FileSearch, owner_id: UUID) -> list[Condition]:
    """What the inverted index answers, all of it at once."""
    queries, name = list(_queries(asked, owner_id)), asked.folded_name
    if None in queries or "\0" in name:
        return [false()]
    if name and (
        len(name) >= GRAM or not queries
    ):  # what is short is in too many names to be worth while beside others
        queries.append(search.asked_name(owner_id, name))
    found = [matches(c, " & ".join(map(str, queries)))] if queries else []
    return [*found, func.strpos(c.name_folded, name) > 0] if name else found


def matches(c: Columns, query: str) -> Condition:
    """`query` is the text of a tsquery."""
    found: Condition = c.search.bool_op("@@")(tsquery(query))
    return found


def relevance(c: Columns, owner_id: UUID, asked: FileSearch) -> ColumnElement[int]:
    """A whole number: floats that were written and read again might not be equal."""
    rank = func.ts_rank(c.search, tsquery(search.asked_words(owner_id, asked.q or "") or ""))
    return cast(rank * RANKS, BigInteger).label("rank")


def tsquery(query: str) -> ColumnElement[Any]:
    return cast(cast(query, Text), TSQUERY)


def _queries(asked: FileSearch, owner_id: UUID) -> Iterator[str | None]:
    """Texts of tsqueries; None for one that nothing can match."""
    if asked.q:
        yield search.asked_words(owner_id, asked.q)
    if asked.type:
        yield search.asked_type(owner_id, asked.type)
    for tag in filter(None, asked.tags):
        yield search.asked_tag(owner_id, tag)
