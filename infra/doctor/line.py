"""One line of the doctor's."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from infra.health import told

PATIENCE_SECONDS = 15.0


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was looked at, how it is, and, unless it is well, what to do."""

    part: str
    level: Level
    said: str
    todo: str = ""


Check = Callable[[], Awaitable[list[Line]]]


def ok(part: str, said: str) -> Line:
    return Line(part, Level.OK, said)


def warn(part: str, said: str, todo: str) -> Line:
    return Line(part, Level.WARN, said, todo)


def fail(part: str, said: str, todo: str) -> Line:
    return Line(part, Level.FAIL, said, todo)


async def looked_at(part: str, check: Awaitable[list[Line]], *, todo: str) -> list[Line]:
    """The lines of a check; where it cannot even look, one that says so."""
    try:
        return await asyncio.wait_for(check, PATIENCE_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever it is, the doctor goes on with the next
        return [fail(part, told(error), todo)]
