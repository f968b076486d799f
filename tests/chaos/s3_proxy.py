"""A proxy before S3 that passes everything on, or answers 500 to all of it, or says nothing at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

REFUSAL = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Mode(StrEnum):
    WELL = "well"
    FAILING = "failing"
    SILENT = "silent"


@dataclass
class S3Proxy:
    port: int
    port_behind: int
    mode: Mode = Mode.WELL
    struck: int = 0
    """Requests that were refused or left alone."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def before(cls, url: str) -> AsyncIterator["S3Proxy"]:
        """A proxy for the S3 at this address."""
        proxy = cls(0, int(url.rpartition(":")[2]))
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            proxy.turn(Mode.WELL)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def turn(self, mode: Mode) -> None:
        """From now on; what is on its way is cut off."""
        self.mode = mode
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await (self._pass_on if self.mode is Mode.WELL else self._strike)(reader, writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _strike(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.struck += 1
        if self.mode is Mode.FAILING:
            writer.write(REFUSAL)
            await writer.drain()
        await reader.read()  # until the client has had enough, or we are told to be well

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port_behind)
        self._open.add(there_writer)
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            self._open.discard(there_writer)
            there_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()  # HTTP has no use for half-open connections
