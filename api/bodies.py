"""What comes as a body: JSON is decoded straight into its type, and what is wrong with it is told by field."""

import re
from typing import Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers import BaseRouteHandler
from litestar.types import Receive

from domain.errors import Invalid, TooLarge, Unparsable, UnsupportedType

MAX_BODY_SIZE = 1024 * 1024
"""Bytes of a JSON body."""
_MISNAMED = re.compile(r"Object (?:missing (required)|contains unknown) field `(.*)`", re.DOTALL)


class BodyIncomplete(Unparsable):
    """The request ended before its body did."""

    slug = "body-incomplete"


class JsonRequest(Request[Any, Any, Any]):
    async def json(self) -> Any:
        """Raises Invalid, Unparsable."""
        field = self.route_handler.parsed_data_field
        assert field is not None  # noqa: S101 - who takes no body does not ask
        try:
            return msgspec.json.decode(await self.body(), type=field.annotation)
        except msgspec.ValidationError as error:
            raise invalid(error, whole="body") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unparsable("the body is not JSON in UTF-8") from error
        except RecursionError as error:
            raise Unparsable("the body is nested too deeply") from error


async def takes_json(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A body is taken for JSON only if it says that it is, and if there is one. Raises UnsupportedType, Unparsable.

    Where it has a default, it may be left out.
    """
    field = getattr(handler, "parsed_data_field", None)
    if not isinstance(connection, Request) or field is None:
        return
    if not field.is_required and not await connection.body():
        return
    media_type = connection.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedType("send the body as application/json")
    if not await connection.body():
        raise Unparsable("the body is empty")


def length_of(headers: Headers) -> int:
    """Bytes; 0 where nobody knows them beforehand."""
    length = headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def invalid(error: msgspec.ValidationError, *, whole: str) -> Invalid:
    """The field and what is wrong with it; `whole` names what has no field."""
    reason, _, place = str(error).partition(" - at `$")
    message, field = field_error(reason.strip(), place.strip(".`").removesuffix("[...]") or whole)
    return Invalid(message, field=field)


def field_error(message: str, field: str) -> tuple[str, str]:
    """A message of msgspec in words for a client, and the field that it is about."""
    if misnamed := _MISNAMED.fullmatch(message):
        required, name = misnamed.groups()
        return ("is required" if required else "is not a field of this"), name
    if "matching regex" in message:
        return "has a form or characters that are not allowed", field
    return message, field


class HashedBody:
    """A body, hashed as it comes."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest
        self.ended = False

    @property
    def digest(self) -> bytes:
        return bytes(self._digest.digest())

    def add(self, part: bytes) -> None:
        self._digest.update(part)

    def passing(self, receive: Receive) -> Receive:
        async def hashed() -> Any:
            message: Any = await receive()
            if message["type"] == "http.request":
                self.add(message.get("body", b""))
                self.ended = not message.get("more_body", False)
            return message

        return hashed

    async def drain(self, receive: Receive) -> None:
        hashed = self.passing(receive)
        while not self.ended:
            await hashed()

    async def read(self, receive: Receive) -> Receive:
        """All of it, to be received once more. Raises TooLarge."""
        hashed, parts, size = self.passing(receive), list[bytes](), 0
        while not self.ended:
            message: Any = await hashed()
            parts.append(message.get("body", b""))
            if (size := size + len(parts[-1])) > MAX_BODY_SIZE:
                raise TooLarge
        whole = b"".join(parts)

        async def again() -> Any:
            return {"type": "http.request", "body": whole, "more_body": False}

        return again
