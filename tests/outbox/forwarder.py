"""A way to Valkey or Postgres over TCP that can be cut and mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs, unquote, urlsplit


class Forwarder:
    """Forwards connections to a Unix socket, always from the same port; while it is cut, nothing listens there."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._path)
        self._open |= {writer, inner_writer}
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        self._open -= {writer, inner_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def _forwarding(path: str) -> AsyncIterator[Forwarder]:
    found = Forwarder(path)
    await found.mend()
    try:
        yield found
    finally:
        await found.cut()


def forwarder(environment: Mapping[str, str]) -> contextlib.AbstractAsyncContextManager[Forwarder]:
    """To this test's Valkey."""
    return _forwarding(unquote(urlsplit(environment["WAYBILL_REDIS_URL"]).path))


def forwarder_to_postgres(environment: Mapping[str, str]) -> contextlib.AbstractAsyncContextManager[Forwarder]:
    (directory,) = parse_qs(urlsplit(environment["WAYBILL_DATABASE_URL"]).query)["host"]
    return _forwarding(f"{directory}/.s.PGSQL.5432")
