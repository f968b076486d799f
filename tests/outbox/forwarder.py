"""A way to Valkey, Postgres or SMTP over TCP that can be cut and mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Forwarder:
    """Forwards connections to a service, always from the same port; while it is cut, nothing listens there.

    A connection that the service closes may linger: it stays open on this side for so many seconds.
    """

    def __init__(self, open_: Callable[[], Awaitable[Streams]], *, lingers: float = 0) -> None:
        self._connect = open_
        self._lingers = lingers
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    def postgres_url(self, database_url: str) -> str:
        """To the same database by this way."""
        name = database_url.partition("@/")[2].partition("?")[0]
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await self._connect()
        self._open |= {writer, inner_writer}
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer, self._lingers))
        self._open -= {writer, inner_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lingers: float = 0) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    await asyncio.sleep(lingers)
    writer.close()


@contextlib.asynccontextmanager
async def _forwarding(open_: Callable[[], Awaitable[Streams]], *, lingers: float = 0) -> AsyncIterator[Forwarder]:
    found = Forwarder(open_, lingers=lingers)
    await found.mend()
    try:
        yield found
    finally:
        await found.cut()


def forwarder(environment: Mapping[str, str]) -> contextlib.AbstractAsyncContextManager[Forwarder]:
    """To this test's Valkey."""
    path = unquote(urlsplit(environment["WAYBILL_REDIS_URL"]).path)
    return _forwarding(lambda: asyncio.open_unix_connection(path))


def forwarder_to_postgres(
    environment: Mapping[str, str], *, lingers: float = 0
) -> contextlib.AbstractAsyncContextManager[Forwarder]:
    (directory,) = parse_qs(urlsplit(environment["WAYBILL_DATABASE_URL"]).query)["host"]
    return _forwarding(lambda: asyncio.open_unix_connection(f"{directory}/.s.PGSQL.5432"), lingers=lingers)


def forwarder_to_smtp(environment: Mapping[str, str]) -> contextlib.AbstractAsyncContextManager[Forwarder]:
    smtp = urlsplit(environment["WAYBILL_SMTP_URL"])
    return _forwarding(lambda: asyncio.open_connection(smtp.hostname, smtp.port))
