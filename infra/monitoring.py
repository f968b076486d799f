"""How a process without HTTP of its own is seen from outside: /metrics, /health/live and /health/ready."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest

from infra.health import Check, Readiness
from infra.metrics import process_registry

log = structlog.get_logger(__name__)

Answer = tuple[int, str, bytes]


async def _nothing() -> None:
    return


@dataclass(frozen=True)
class View:
    """What there is to see of a process."""

    checks: Callable[[], Awaitable[Mapping[str, Check]]]
    registry: CollectorRegistry = field(default_factory=process_registry)
    before_metrics: Callable[[], Awaitable[None]] = _nothing
    """For figures that cost something: they are asked for only when somebody looks."""


@contextlib.asynccontextmanager
async def monitored(monitor: socket.socket | None, view: View) -> AsyncIterator[None]:
    """Inside, the view is served on a bound socket; without one, nothing is."""
    if monitor is None:
        yield
        return
    monitor.listen()
    log.info("monitor.ready", address=":".join(map(str, monitor.getsockname()[:2])))
    server = _Server(
        uvicorn.Config(
            _app(view),
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[monitor]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has a drain of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _app(view: View) -> Any:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        readable = scope["method"] in ("GET", "HEAD")
        status, kind, body = await _answer(view, scope["path"]) if readable else _text(405, "there is only GET")
        headers = {"content-type": kind, "content-length": str(len(body)), "cache-control": "no-store"}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return app


async def _answer(view: View, path: str) -> Answer:
    match path:
        case "/health/live":
            return _json(200, {"status": "alive"})
        case "/health/ready":
            checks = await view.checks()
            ready = all(check.ok for check in checks.values())
            return _json(200 if ready else 503, Readiness(ready, checks))
        case "/metrics":
            await view.before_metrics()
            return 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(view.registry)
        case _:
            return _text(404, "there are /metrics, /health/live and /health/ready")


def _json(status: int, value: object) -> Answer:
    return status, "application/json", msgspec.json.encode(value)


def _text(status: int, line: str) -> Answer:
    return status, "text/plain; charset=utf-8", f"{line}\n".encode()
