"""One line in the log for each request: what was asked by its route, never by its path, which may hold a token."""

import time
from functools import cache
from typing import Any, cast

import structlog
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from api.request_id import request_id
from domain.cause import caused_by
from infra.metrics import HTTP_IN_FLIGHT, HTTP_REQUESTS, HTTP_SECONDS
from infra.telemetry import saying
from infra.tracing import sane, work

log = structlog.get_logger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def access_log(app: ASGIApp) -> ASGIApp:
    """Around everything, so that unknown paths and failures are in it; every line of a request carries its id."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def noted(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        parent = sane(Headers.from_scope(scope).get("traceparent"))
        with (
            work("request", "SERVER", parent) as it,
            caused_by(it.traceparent),
            saying({"request_id": request_id(scope), "trace_id": it.trace_id}),
        ):
            HTTP_IN_FLIGHT.inc()
            try:
                await app(scope, receive, noted)
            finally:
                HTTP_IN_FLIGHT.dec()
                seconds = time.perf_counter() - began
                _write(scope, status, seconds)
                method, route = _count(scope, status, seconds)
                it.tell(f"{method} {route}", **{"http.response.status_code": status, "http.route": route})

    return logged


def _write(scope: Scope, status: int, seconds: float) -> None:
    """Without a status where the request ended before its answer began."""
    found = cast("dict[str, Any]", scope)
    log.info(
        "request",
        method=found["method"],
        route=found.get("path_template"),
        status=status or None,
        ms=round(seconds * 1000, 1),
        actor=str(found["user"].account_id) if found.get("user") else None,
        **_changed(scope),
    )


def _changed(scope: Scope) -> dict[str, Any]:
    """The command that was stored, and its events."""
    state: Any = scope["state"]
    if "command" not in state:
        return {}
    events = state["session"].info.get("events", ()) if "session" in state else ()
    return {"command": str(state["command"]), "events": [str(each) for each in events]}


def _count(scope: Scope, status: int, seconds: float) -> tuple[str, str]:
    """What clients may invent, paths and methods, is no label. Returns those that are."""
    found = cast("dict[str, Any]", scope)
    method = found["method"] if found["method"] in METHODS else "other"
    route = found.get("path_template") or "none"
    requests, took = _series(method, route, status)
    requests.inc()
    took.observe(seconds)
    return method, route


@cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """To look one up takes longer than to count."""
    return HTTP_REQUESTS.labels(method, route, status), HTTP_SECONDS.labels(method, route)
