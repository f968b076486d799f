"""HTTP clients that cost little themselves: on each connection the next request leaves once the last is answered."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from tests.bench.item import Measured

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"


@dataclass(frozen=True)
class Answered:
    """How many requests were answered in how many seconds, and how long each took."""

    seconds: float
    took: Sequence[float]

    @property
    def rate(self) -> float:
        return len(self.took) / self.seconds

    def percentile(self, percent: int) -> float:
        """In milliseconds."""
        return 1000 * sorted(self.took)[int(len(self.took) * percent / 100)]


async def loaded(port: int, requests: Sequence[Sequence[bytes]], *, seconds: float) -> Answered:
    """Each of `requests` is what one connection asks, over and over. Raises RuntimeError where an answer is no 2xx."""
    loop, took = asyncio.get_running_loop(), list[float]()
    began = time.perf_counter()
    connections = [_Connection(itertools.cycle(each), began + seconds, took) for each in requests]
    for connection in connections:
        await loop.create_connection(lambda made=connection: made, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(connection.ended for connection in connections))
    return Answered(time.perf_counter() - began, took)


async def answered(port: int, requests: Sequence[Sequence[bytes]], *, seconds: float) -> Measured:
    """Requests a second, and how long they took. Raises as `loaded` does."""
    found = await loaded(port, requests, seconds=seconds)
    return Measured(found.rate, {"p50_ms": found.percentile(50), "p95_ms": found.percentile(95)})


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """As it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class _Connection(asyncio.Protocol):
    requests: Iterator[bytes]
    until: float
    took: list[float]
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _buffer: bytes = b""
    _asked: float = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(END)
        length = LENGTH.search(self._buffer, 0, end) if end >= 0 else None
        if length is None or len(self._buffer) < end + len(END) + int(length[1]):
            return
        if not self._buffer.startswith(b"HTTP/1.1 2"):
            self._end(RuntimeError(self._buffer.decode(errors="replace")))
            return
        now, self._buffer = time.perf_counter(), b""
        self.took.append(now - self._asked)
        if now < self.until:
            self._ask()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server has closed the connection"))

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(next(self.requests))

    def _end(self, error: Exception | None = None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error) if error else self.ended.set_result(None)
        self._transport.close()
