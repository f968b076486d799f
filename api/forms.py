"""An upload form, read as it arrives: small fields into memory, the file straight on to whoever takes it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from litestar.datastructures import Headers
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from api.bodies import invalid
from api.requests import FilePart, FormFields
from domain.errors import Invalid, TooLarge, Unparsable, UnsupportedType

T = TypeVar("T")
MAX_FIELD_SIZE = 64 * 1024
MAX_FIELDS = 200
MAX_BOUNDARY = 70
"""RFC 2046."""


class BadForm(Unparsable):
    """The form is not valid multipart/form-data."""

    slug = "bad-form"


@dataclass
class Form:
    """What stood beside the file; repeated fields in order."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file_name: str | None = None

    def one(self, name: str) -> str | None:
        """Raises Invalid if it was given twice."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise Invalid("given more than once", field=name)
        return values[0] if values else None


OnFile = Callable[[str, str], Awaitable[Callable[[bytes | bytearray], Awaitable[None]]]]
"""Called with the file's name and type when it begins; returns what takes its bytes."""


def boundary_of(headers: Headers) -> str:
    """Raises UnsupportedType where the body is no form, BadForm where nobody could tell its parts."""
    media_type, options = parse_options_header(headers.get("Content-Type", ""))
    if media_type != "multipart/form-data":
        raise UnsupportedType("send the file as multipart/form-data")
    boundary = str(options.get("boundary", ""))
    if not 0 < len(boundary) <= MAX_BOUNDARY:
        raise BadForm(f"the form has no boundary of 1 to {MAX_BOUNDARY} characters")
    return boundary


async def read_form(body: AsyncIterator[bytes], boundary: str, on_file: OnFile) -> Form:
    """Read a whole form; its one file is the part called `file`. Raises BadForm, TooLarge, Invalid.

    Not strict: the parser then takes what follows the last boundary for an error, if it comes in a chunk of its own.
    """
    reading = _Reading(on_file)
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_FIELDS) as parser:
            async for chunk in body:
                if chunk and not parser.closed:
                    for event in parser.parse(chunk):
                        await reading.take(event)
    except ParserLimitReached as error:
        raise TooLarge(f"the form has too much of something: {error.args[0]}") from error
    except MultipartError as error:
        raise BadForm(f"the form is not valid: {error.args[0]}") from error
    if reading.form.file_name is None:
        raise Invalid("a file is required", field="file")
    return reading.form


class _Reading:
    """Between two events of the parser: which part is being read, and what it has brought so far."""

    def __init__(self, on_file: OnFile) -> None:
        self.form = Form()
        self._on_file = on_file
        self._segment: MultipartSegment | None = None
        self._write: Callable[[bytes | bytearray], Awaitable[None]] | None = None
        self._value = bytearray()

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            await self._begin(event)
        elif event is None:
            self._end()
        elif self._write is not None:
            await self._write(event)
        else:
            self._value += event
            if len(self._value) > MAX_FIELD_SIZE:
                raise Invalid(f"longer than {MAX_FIELD_SIZE} bytes", field=self._name)

    @property
    def _name(self) -> str:
        return (self._segment and self._segment.name) or ""

    async def _begin(self, segment: MultipartSegment) -> None:
        self._segment, self._write, self._value = segment, None, bytearray()
        if not segment.name:
            raise BadForm("a part of the form has no name")
        if segment.name != "file":
            return
        if segment.filename is None:
            raise Invalid("must be a file, with a filename", field="file")
        if self.form.file_name is not None:
            raise Invalid("given more than once", field="file")
        self.form.file_name = segment.filename
        self._write = await self._on_file(segment.filename, segment.content_type or "application/octet-stream")

    def _end(self) -> None:
        if self._write is None:
            try:
                self.form.fields.setdefault(self._name, []).append(self._value.decode())
            except UnicodeDecodeError as error:
                raise Invalid("is not UTF-8", field=self._name) from error
        self._segment = self._write = None


def fields_of(form: Form, part: FilePart) -> FormFields:
    """Raises Invalid."""
    values: dict[str, Any] = {name: form.one(name) for name in form.fields if name != "tags"}
    if "metadata" in values:
        values["metadata"] = _json(values["metadata"])
    values |= {"name": part.name, "tags": form.fields.get("tags", []), "content_type": part.content_type}
    return checked(values, FormFields)


def _json(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("is not JSON", field="metadata") from error


def checked(values: dict[str, Any], type_: type[T]) -> T:
    """Raises Invalid."""
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, whole="form") from error
