"""The search for files as it comes in: filters, order and cursor, and the page that goes out."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from api.paging import Position, read_cursor, write_cursor
from api.requests import MAX_TAGS, Moment
from domain.errors import Invalid
from domain.files.filters import FileSearch, Sort
from domain.files.finding import Key
from domain.files.model import Status
from domain.files.relevance import Match
from domain.files.sight import SeenFile

MAX_TEXT = 20_000
"""Characters of a text that is looked for: whatever is longer than any file's name or words finds nothing."""
EARLIEST, LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
VISIBLE_ASCII = r"^[!-~]*$"

Text = Annotated[str | None, QueryParameter(max_length=MAX_TEXT)]
Size = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]
Time = Annotated[datetime | None, QueryParameter()]
KEYS: dict[str, Any] = {
    "created_at": tuple[Moment, UUID],
    "name_folded": tuple[Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")], UUID],
    "size": tuple[Position, UUID],
}


class CursorOfAnotherSearch(Invalid):
    """This cursor belongs to other filters, or to another order."""

    slug = "invalid"


def asked(
    q: Text = None,
    name: Text = None,
    type_: Annotated[str | None, QueryParameter(name="type", max_length=255, pattern=VISIBLE_ASCII)] = None,
    tag: Annotated[list[str] | None, QueryParameter(max_items=MAX_TAGS)] = None,
    min_size: Size = None,
    max_size: Size = None,
    created_after: Time = None,
    created_before: Time = None,
    expires_before: Time = None,
    status: Annotated[Status, QueryParameter()] = Status.AVAILABLE,
    sort: Annotated[Sort, QueryParameter()] = Sort.NEWEST,
) -> FileSearch:
    if sort is Sort.RELEVANCE and not q:
        raise Invalid("relevance is to the words of q: give some", field="sort")
    return FileSearch(
        q=q,
        name=name,
        type=type_,
        tags=tuple(tag or ()),
        min_size=min_size,
        max_size=max_size,
        created_after=_in_utc(created_after, "created_after"),
        created_before=_in_utc(created_before, "created_before"),
        expires_before=_in_utc(expires_before, "expires_before"),
        status=status,
        sort=sort,
    )


def cursor_after(search: FileSearch, last: SeenFile | Match) -> str:
    """The cursor of the page after this one."""
    if isinstance(last, Match):
        return write_cursor((_digest(search), last))
    return write_cursor((_digest(search), (getattr(last, search.sort.column), last.id)))


def read_after(search: FileSearch, cursor: str | None) -> Any:
    """After what the page begins: a Match where the order is that of relevance, else a Key; or None. Raises Invalid."""
    return (_read_match if search.sort is Sort.RELEVANCE else _read_key)(search, cursor)


def _read_key(search: FileSearch, cursor: str | None) -> Key | None:
    key: Key | None = _read(search, cursor, KEYS[search.sort.column])
    return _key(key) if key is not None and isinstance(key[0], datetime) else key


def _read_match(search: FileSearch, cursor: str | None) -> Match | None:
    match: Match | None = _read(search, cursor, Match)
    if match is None:
        return None
    created_at, _ = _key((match.created_at, match.id))
    newest, oldest = map(_key, match.window)
    return replace(match, created_at=created_at, window=(newest, oldest))


def _read(search: FileSearch, cursor: str | None, type_: Any) -> Any:
    if (found := read_cursor(cursor, tuple[str, msgspec.Raw])) is None:
        return None
    digest, raw = found
    if digest != _digest(search):
        raise CursorOfAnotherSearch(field="cursor")
    try:
        return msgspec.json.decode(raw, type=type_)
    except (ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise Invalid("is not a cursor of ours", field="cursor") from error


def _key(key: tuple[datetime, UUID]) -> tuple[datetime, UUID]:
    """One that Postgres can read."""
    return _in_utc(key[0], "cursor") or key[0], key[1]


def _digest(search: FileSearch) -> str:
    return hashlib.blake2b(msgspec.json.encode(search), digest_size=6).hexdigest()


def _in_utc(moment: datetime | None, field: str) -> datetime | None:
    """The first and the last years have no such time in other zones."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise Invalid("needs a time zone, such as Z", field=field)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return EARLIEST if moment.year == EARLIEST.year else LATEST
