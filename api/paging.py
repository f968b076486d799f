"""Opaque cursors, and the Link header that carries the next one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from domain.errors import Invalid

T = TypeVar("T")

Limit = Annotated[int, QueryParameter(ge=1, le=200)]
Cursor = Annotated[str | None, QueryParameter(max_length=5000)]
"""Its longest holds a name."""
LAST_POSITION = 2**63 - 1
Position = Annotated[int, msgspec.Meta(ge=0, le=LAST_POSITION)]
"""Postgres's bigint."""
BY_ID = attrgetter("id")


def write_cursor(values: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).rstrip(b"=").decode()


def read_cursor(cursor: str | None, type_: type[T]) -> T | None:
    """What `write_cursor` wrote. Raises Invalid for anything else."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True), type=type_
        )
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise Invalid("is not a cursor of ours", field="cursor") from error


def paged(found: Sequence[T], limit: int, key: Callable[[T], object] = BY_ID) -> tuple[Sequence[T], str | None]:
    """The page, and the cursor of the next one if there is one: of a page and one more was found, if there is more."""
    return found[:limit], write_cursor(key(found[limit - 1])) if len(found) > limit else None


def next_link(request: Request[Any, Any, Any], cursor: str | None) -> dict[str, str]:
    """The Link header of a page that is not the last."""
    if cursor is None:
        return {}
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{request.scope["path"]}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'}
