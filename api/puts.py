"""What a PUT says of its body: in its path and in its headers."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from litestar.datastructures import Headers
from litestar.types import Scope

from api.digests import HEADER as DIGEST
from api.digests import sha256_in
from api.forms import checked
from api.headers import header_text
from api.requests import FormFields, NewShare
from domain.errors import Invalid, Unparsable
from domain.files.sniffing import UNKNOWN

PREFIX = re.compile(rb".*?/(?:u|%75)(?:/|$)")
"""However it is written: routes are told apart once the path is decoded."""
NAMELESS = "untitled"
"""What comes from a pipe has no name, unless the client gives it one."""
FILE_HEADERS = {"content_type": "Content-Type", "sha256": DIGEST, "expires_in": "Expires-In"}
SHARE_HEADERS = {"max_downloads": "Max-Downloads", "password": "Share-Password"}
"""Fields, by the headers that bring them."""
T = TypeVar("T")


class PartOfFile(Unparsable):
    """Send the whole file: a body with Content-Range is only a part of one."""

    slug = "content-range"


def refuse_range(headers: Headers) -> None:
    """A part would be taken for the whole (RFC 9110, 14.5). Raises PartOfFile."""
    if "Content-Range" in headers:
        raise PartOfFile


def name_in(scope: Scope) -> str:
    """What follows `/u/`. From the path as it was sent: servers replace what is not UTF-8. Raises Invalid."""
    path = scope.get("raw_path") or scope["path"].encode()
    try:
        return unquote_to_bytes(PREFIX.sub(b"", path.partition(b"?")[0], count=1)).decode() or NAMELESS
    except UnicodeDecodeError as error:
        raise Invalid("is not UTF-8", field="name") from error


def put_fields(name: str, headers: Headers) -> FormFields:
    """Raises Invalid."""
    values: dict[str, Any] = {"name": name, "sha256": sha256_in(headers)}
    values["content_type"] = headers.get("Content-Type") or UNKNOWN
    values["expires_in"] = headers.get("Expires-In")
    return _checked(values, FormFields, FILE_HEADERS)


def wanted_share(headers: Headers, fields: FormFields) -> NewShare | None:
    """One that ends with its file; None where no header asks for one. Raises Invalid."""
    values: dict[str, Any] = {
        field: header_text(headers[name]) for field, name in SHARE_HEADERS.items() if name in headers
    }
    if fields.expires_in is not None:
        values["expires_at"] = fields.expires_at
    return _checked(values, NewShare, SHARE_HEADERS) if values else None


def _checked(values: dict[str, Any], type_: type[T], names: Mapping[str, str]) -> T:
    try:
        return checked(values, type_)
    except Invalid as error:
        raise Invalid(error.detail, field=names.get(error.field or "", error.field)) from error
