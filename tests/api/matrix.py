"""Every route there is, with what a good request of it looks like: bad input is made from that, route by route."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from litestar import Litestar
from litestar.routes import HTTPRoute

from domain.actor import Scope

LEAKS = ("Traceback", "SELECT ", "INSERT ", "site-packages", "asyncpg", "sqlalchemy", "msgspec", '.py"', "\\u0000")


@dataclass(frozen=True)
class Expected:
    """`body` is a good JSON body, `fields` a good form of a page, `ok` the status for whoever may do it.

    `scope` is what a service token needs for it; without one a private route is for people alone.
    An `endless` answer has to be ended.
    """

    public: bool = False
    body: dict[str, Any] | None = None
    form: bool = False
    fields: dict[str, str] | None = None
    scope: Scope | None = None
    ok: int = 200
    endless: bool = False


def id_in(name: str) -> str | None:
    """As in `{file_id}`, or `{token}`."""
    found = re.search(r"\{\w+_id\}|\{token\}", name)
    return found and found[0]


ROUTES = {
    "POST /v1/accounts": Expected(
        public=True, body={"email": "a@example.com", "password": "correct horse", "name": "Ada"}
    ),
    "POST /v1/accounts/verify": Expected(public=True, body={"token": "x"}),
    "GET /v1/me": Expected(),
    "PATCH /v1/me": Expected(body={"name": "Ada"}),
    "DELETE /v1/me": Expected(ok=204),
    "POST /v1/password-resets": Expected(public=True, body={"email": "a@example.com"}),
    "POST /v1/password-resets/confirm": Expected(public=True, body={"token": "x", "password": "correct horse"}),
    "POST /v1/sessions": Expected(public=True, body={"email": "a@example.com", "password": "correct horse"}),
    "POST /v1/sessions/refresh": Expected(public=True, body={"refresh_token": "x"}),
    "GET /v1/sessions": Expected(),
    "DELETE /v1/sessions/current": Expected(ok=204),
    "DELETE /v1/sessions/{session_id}": Expected(ok=204),
    "POST /v1/uploads": Expected(body={"name": "a.txt", "size": 3}, scope=Scope.FILES_WRITE, ok=201),
    "GET /v1/uploads/{file_id}": Expected(scope=Scope.FILES_WRITE),
    "POST /v1/uploads/{file_id}/parts": Expected(body={"numbers": [1]}, scope=Scope.FILES_WRITE),
    "DELETE /v1/uploads/{file_id}": Expected(scope=Scope.FILES_WRITE, ok=204),
    "PUT /u": Expected(scope=Scope.FILES_WRITE, ok=202),
    "PUT /u/{name}": Expected(scope=Scope.FILES_WRITE, ok=202),
    "POST /v1/uploads/{file_id}/complete": Expected(scope=Scope.FILES_WRITE, ok=202),
    "POST /v1/files": Expected(form=True, scope=Scope.FILES_WRITE, ok=202),
    "GET /v1/files": Expected(scope=Scope.FILES_READ),
    "GET /v1/files/{file_id}": Expected(scope=Scope.FILES_READ),
    "PATCH /v1/files/{file_id}": Expected(body={"name": "b.txt"}, scope=Scope.FILES_WRITE),
    "DELETE /v1/files/{file_id}": Expected(scope=Scope.FILES_WRITE, ok=204),
    "GET /v1/files/{file_id}/content": Expected(scope=Scope.FILES_READ, ok=307),
    "HEAD /v1/files/{file_id}/content": Expected(scope=Scope.FILES_READ, ok=307),
    "GET /v1/files/{file_id}/events": Expected(scope=Scope.FILES_READ),
    "POST /v1/files/{file_id}/shares": Expected(
        body={"message": "Hello", "max_downloads": 3}, scope=Scope.FILES_WRITE, ok=201
    ),
    "GET /v1/files/{file_id}/shares": Expected(scope=Scope.FILES_READ),
    "DELETE /v1/shares/{share_id}": Expected(scope=Scope.FILES_WRITE, ok=204),
    "GET /s/{token}": Expected(public=True),
    "HEAD /s/{token}": Expected(public=True),
    "POST /s/{token}": Expected(public=True, fields={"password": "x"}, ok=303),
    "GET /s/{token}/content": Expected(public=True, ok=307),
    "HEAD /s/{token}/content": Expected(public=True, ok=307),
    "GET /v1/events": Expected(scope=Scope.EVENTS_READ),
    "GET /v1/events/stream": Expected(scope=Scope.EVENTS_READ, endless=True),
    "POST /v1/events/cookie": Expected(ok=204),
    "POST /v1/service-tokens": Expected(body={"name": "ci", "scopes": ["files:read"]}, ok=201),
    "GET /v1/service-tokens": Expected(),
    "GET /v1/service-tokens/{token_id}": Expected(),
    "DELETE /v1/service-tokens/{token_id}": Expected(ok=204),
    "GET /v1/keys": Expected(public=True),
    "GET /health/live": Expected(public=True),
    "GET /health/ready": Expected(public=True),
    "GET /metrics": Expected(public=True),
    "GET /": Expected(public=True),
    "GET /asyncapi": Expected(public=True),
    "GET /asyncapi.json": Expected(public=True),
    "GET /docs": Expected(public=True),
    "GET /docs/{asset}": Expected(public=True),
    "GET /schema": Expected(public=True),
    "GET /schema/{path}": Expected(public=True),
    "GET /schema/openapi.json": Expected(public=True),
}
UNDESCRIBED = {name for name in ROUTES if name.startswith(("GET /schema", "GET /docs", "GET /asyncapi"))} | {
    "GET /",
    "POST /s/{token}",
}
"""For people, and for those who read the description itself."""
JSON_ROUTES = [name for name, route in ROUTES.items() if route.body is not None]
PRIVATE_ROUTES = [name for name, route in ROUTES.items() if not route.public]
NOT_FOUND = {
    "{file_id}": "file-not-found",
    "{token_id}": "service-token-not-found",
    "{session_id}": "session-not-found",
    "{share_id}": "share-not-found",
}
"""What is in a path, and the problem where it is not there or not yours."""
ID_ROUTES = [name for name in ROUTES if id_in(name) in NOT_FOUND]


def routes_of(app: Litestar) -> Iterator[str]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from (f"{method} {route.path_format or '/'}" for method in route.methods if method != "OPTIONS")


def place(name: str, id_: object = None) -> tuple[str, str]:
    """Method and path of a route."""
    method, _, path = name.partition(" ")
    return method, path.replace(id_in(name) or "{path}", str(id_ or uuid4()))


def assert_problem(response: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    """It is what the contract says of errors, and tells nobody how we are made."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert not [leak for leak in LEAKS if leak in response.text], response.text
    problem: dict[str, Any] = json.loads(response.content)
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(problem)
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert ("errors" in problem) == (status == 422)
    assert all(each["field"] and each["message"] for each in problem.get("errors", ()))
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert ("Retry-After" in response.headers) == (status in {429, 503})
    if slug is not None:
        assert problem["type"] == f"/problems/{slug}"
    return problem
