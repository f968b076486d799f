"""Metadata is any JSON that Postgres can hold and that nobody chokes on when it comes back."""

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.errors import Invalid

MAX_SIZE = 16 * 1024
MAX_DEPTH = 20
LARGEST, SMALLEST = 1e30, 1e-30
"""Of numbers: jsonb writes them out in full, 300 zeros for 1e300."""


def checked(metadata: dict[str, Any]) -> dict[str, Any]:
    """Raises Invalid."""
    for problem in _problems(metadata, depth=1):
        raise Invalid(problem, field="metadata")
    if len(msgspec.json.encode(metadata)) > MAX_SIZE:
        raise Invalid(f"longer than {MAX_SIZE} bytes", field="metadata")
    return metadata


def _problems(value: Any, *, depth: int) -> Iterator[str]:
    match value:
        case dict() | list() if depth > MAX_DEPTH:
            yield f"nested deeper than {MAX_DEPTH} levels"
        case dict():
            for key, inner in value.items():
                yield from _problems(key, depth=depth)
                yield from _problems(inner, depth=depth + 1)
        case list():
            for inner in value:
                yield from _problems(inner, depth=depth + 1)
        case str() if "\0" in value:
            yield "must not contain the character U+0000"
        case int() | float() if not _is_ordinary(value):
            yield f"numbers must be 0 or from {SMALLEST} to {LARGEST}"


def _is_ordinary(number: float) -> bool:
    return number == 0 or SMALLEST <= abs(number) <= LARGEST
