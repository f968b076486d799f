"""Whether something is well, in words that can be shown to anybody on the network."""

import asyncio
import re
import time
from collections.abc import Awaitable, Mapping
from datetime import datetime

import msgspec

from infra.telemetry import one_line

CHECK_SECONDS = 2.0
LONGEST_ERROR = 200
CREDENTIALS = re.compile(r"//[^/@\s]*@")


class Check(msgspec.Struct, omit_defaults=True):
    ok: bool
    seconds: float | None = None
    """How long it took to answer, where it was asked."""
    error: str | None = None
    since: datetime | None = None
    """Since when it is not well, where that is known."""


class Readiness(msgspec.Struct):
    ready: bool
    checks: Mapping[str, Check]


WELL = Check(ok=True)


async def answers(asking: Awaitable[object]) -> Check:
    began, wrong = time.perf_counter(), None
    try:
        await asyncio.wait_for(asking, CHECK_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not well
        wrong = told(error)
    return Check(wrong is None, round(time.perf_counter() - began, 4), wrong)


def told(error: BaseException) -> str:
    """An error in one line, not a long one, and without credentials."""
    return CREDENTIALS.sub("//…@", f"{type(error).__name__}: {one_line(error)}")[:LONGEST_ERROR]
