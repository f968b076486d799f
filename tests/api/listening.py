"""A real server, and clients that listen to it: nothing in process can read an answer that does not end."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from litestar import Litestar

from tests.serving import served

PATIENCE = 20.0
STREAM = "/v1/events/stream"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""To read the machine's certificates takes longer than much of what is listened to."""


@contextlib.asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[str]:
    """The address of an app whose resources are there already."""
    async with served(app) as address:
        yield address
        app.state.streams.end_all("the test is over")


@dataclass
class Told:
    """One event of a stream, as the specification of Server-Sent Events reads it."""

    id: int
    type: str
    event: Any


@dataclass
class Listener:
    """What a stream says, block by block."""

    answer: httpx.Response
    lines: AsyncIterator[str]
    comments: list[str] = field(default_factory=list)

    async def events(self) -> AsyncIterator[Told]:
        """Until the stream ends."""
        found: dict[str, str] = {}
        async for line in self.lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line[2:])
            elif line:
                found[name] = found[name] + "\n" + value if name in found else value
            else:
                if "data" in found:
                    yield Told(int(found["id"]), found["event"], json.loads(found["data"]))
                found = {}

    async def next(self, count: int) -> list[Told]:
        """So many events; fewer if the stream ends before."""
        found: list[Told] = []
        async with asyncio.timeout(PATIENCE):
            async for each in self.events():
                found.append(each)
                if len(found) == count:
                    break
        return found

    async def rest(self) -> list[Told]:
        """What comes until the stream ends."""
        async with asyncio.timeout(PATIENCE):
            return [each async for each in self.events()]


@contextlib.asynccontextmanager
async def listening(
    base_url: str, headers: dict[str, str], *, after: int | None = None, query: dict[str, str] | None = None
) -> AsyncIterator[Listener]:
    """`after` goes as `Last-Event-ID`, as a browser sends it when it comes again."""
    resuming = {} if after is None else {"Last-Event-ID": str(after)}
    async with (
        httpx.AsyncClient(base_url=base_url, timeout=PATIENCE, verify=NO_TLS) as http,
        http.stream("GET", STREAM, headers=headers | resuming, params=query) as answer,
    ):
        yield Listener(answer, answer.aiter_lines())
