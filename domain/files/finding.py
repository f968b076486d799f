"""The search for files: which, in which order, and from where on.

Most of what people ask for is soon met by walking their files in the order asked for. What is too rare for that is
looked up in an index, and sorted: there is little of it. Whichever it was, the answer is the same (ADR 0013).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY

from domain.actor import Actor, Scope
from domain.files.filters import FileSearch, values
from domain.files.model import File
from domain.files.sight import SEEN, SeenFile
from domain.files.ways import Shape, look_up, walk

WALK = 2000
"""How many files are looked at in their order before an index is asked."""
BY_VALUES = "SET LOCAL plan_cache_mode = force_custom_plan"
"""What is best depends on who asks for what: a plan for any value would sort all files of an owner who has many."""
THESE = SEEN.where(File.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))

Ask = Callable[[Select[Any], Mapping[str, Any]], Awaitable[Sequence[Any]]]
"""Runs a statement with values for its parameters. Rows are read by the names of their columns, or in their order.

All that one search asks is asked of one snapshot, `BY_VALUES`.
"""
Key = tuple[Any, UUID]
"""Where a file stands in an order: the value of a column, and its id."""


async def find_files(ask: Ask, actor: Actor, asked: FileSearch, *, after: Key | None, limit: int) -> list[SeenFile]:
    """The actor's files, in any order but that of relevance. Raises ScopeMissing."""
    owner_id = actor.with_scope(Scope.FILES_READ).account_id
    start = beyond(after) if after else {}
    return [SeenFile(*row) for row in await find_rows(ask, owner_id, asked, start, limit=limit, steps=WALK)]


async def files_of(ask: Ask, ids: Sequence[UUID]) -> list[SeenFile]:
    """In the order of the ids."""
    if not ids:
        return []
    files = {row["id"]: SeenFile(*row) for row in await ask(THESE, {"ids": ids})}
    return [files[id_] for id_ in ids]


def beyond(key: Key) -> dict[str, Any]:
    """What comes after it."""
    return dict(zip(("after", "after_id"), key, strict=True))


def between(one: Key, other: Key) -> dict[str, Any]:
    """Both included."""
    first, last = sorted((one, other))
    return dict(zip(("first", "first_id", "last", "last_id"), (*first, *last), strict=True))


async def find_rows(
    ask: Ask, owner_id: UUID, asked: FileSearch, start: Mapping[str, Any], *, limit: int, steps: int
) -> Sequence[Any]:
    """Of files, or of their keys and ranks where that is asked for."""
    if (given := values(asked, owner_id)) is None:
        return []
    given |= start
    ordered, *others = (Shape(frozenset(given), asked.sort, shelf) for shelf in asked.shelves)
    given |= {"limit": limit, "walk": steps}
    found = await ask(walk(ordered), given)
    if not ordered.is_met and len(found) < limit:
        found = await ask(look_up(ordered), given)
    if not others:
        return found
    more = [row for shape in others for row in await ask(look_up(shape), given)]
    return sorted((*found, *more), key=itemgetter(asked.sort.column, "id"), reverse=asked.sort.is_descending)[:limit]
