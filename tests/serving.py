"""An ASGI app behind a real socket, in the tests' own event loop: for clients that are not of this process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from infra.listening import bound


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C is for pytest."""
        yield


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Its address on loopback. The app's lifespan is the caller's affair."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    server, socket = _Server(config), bound("127.0.0.1", 0)
    socket.listen()  # whoever comes before the server is there waits
    serving = asyncio.create_task(server.serve(sockets=[socket]))
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = server.force_exit = True
    await serving
