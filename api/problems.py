"""Every error as `application/problem+json` (RFC 9457): one table says which kind of error is which status."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Receive, Scope, Send
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.bodies import field_error
from api.paseto import BadToken
from api.request_id import request_id
from domain import errors
from domain.errors import DomainError
from infra.connection import DatabaseUnreachable
from infra.database import is_away
from infra.storage import StorageError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "1"

STATUS: Mapping[type[DomainError], int] = {
    errors.Unparsable: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.Stale: 412,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.Invalid: 422,
    errors.TooOften: 429,
    errors.Busy: 503,
}

HTTP_SLUGS = {
    400: ("unparsable", "The request cannot be parsed"),
    401: ("unauthenticated", "No or bad credentials"),
    403: ("forbidden", "You may not do this"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "This cannot be done here"),
    409: ("conflict", "The present state does not allow this"),
    410: ("gone", "This is gone"),
    412: ("stale", "It has changed since you read it"),
    413: ("too-large", "This is too large"),
    415: ("unsupported-media-type", "This media type is not taken here"),
    422: ("invalid", "The request is not valid"),
    429: ("too-many-requests", "Too many requests"),
    500: ("internal-error", "Something went wrong on our side"),
    503: ("unavailable", "A part of the service is down"),
}


OWNER = "fk_files_owner_id_accounts"
PASSING = frozenset({"", "40", "55", "57"})
"""Classes of SQLSTATE that are for a retry: deadlocks, locks and timeouts; none at all if nobody answered."""


def domain_problem(request: Request[Any, Any, Any], error: DomainError) -> Response[Any]:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    request.scope["state"]["stands"] = error.stands
    extra = dict(error.extra)
    if status == 422:  # noqa: PLR2004
        extra["errors"] = [{"field": error.field or "body", "message": error.detail}]
    headers = {"WWW-Authenticate": error.challenge} if isinstance(error, errors.Unauthenticated) else {}
    if isinstance(error, errors.TooOften | errors.Busy):
        headers["Retry-After"] = str(error.retry_after)
    title = (type(error).__doc__ or HTTP_SLUGS[status][1]).strip().splitlines()[0].rstrip(".")
    return problem(request, status, error.slug, title, error.detail, headers=headers, **extra)


def http_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if isinstance(error, ValidationException):
        return problem(request, 422, *HTTP_SLUGS[422], "Some fields are not valid", errors=list(_field_errors(error)))
    if error.status_code >= 500:  # noqa: PLR2004
        return internal_problem(request, error)
    status = error.status_code if error.status_code in HTTP_SLUGS else 400
    slug, title = HTTP_SLUGS[status]
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return problem(request, status, slug, title, title, headers=headers)


def unavailable_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Postgres, Redis or S3 is away. A lost COMMIT may have been one: an Idempotency-Key makes the retry safe."""
    log.warning("request.unavailable", error=f"{type(error).__name__}: {error}".partition("\n")[0])
    return unavailable(request, "A part of the service is out of reach; try again shortly")


def unavailable(request: Request[Any, Any, Any], detail: str, **extra: Any) -> Response[Any]:
    headers = {"Retry-After": RETRY_AFTER_SECONDS}
    return problem(request, 503, *HTTP_SLUGS[503], detail, headers=headers, **extra)


def database_problem(request: Request[Any, Any, Any], error: DBAPIError) -> Response[Any]:
    """A lost connection, a full pool or a lock not had in time is for a retry; anything else is a fault of ours."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    if is_away(error) or sqlstate[:2] in PASSING:
        return unavailable_problem(request, error)
    if getattr(error.orig and (error.orig.__cause__ or error.orig), "constraint_name", None) == OWNER:
        return domain_problem(request, BadToken())  # its account is not there (any more)
    return internal_problem(request, error)


def internal_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("request.failed", exc_info=error)
    return problem(request, 500, *HTTP_SLUGS[500], "It has been logged under this request_id")


EXCEPTION_HANDLERS: Mapping[Any, Any] = {
    DomainError: domain_problem,
    HTTPException: http_problem,
    DBAPIError: database_problem,
    DatabaseUnreachable: unavailable_problem,
    PoolTimeout: unavailable_problem,
    RedisError: unavailable_problem,
    StorageError: unavailable_problem,
    OSError: unavailable_problem,
    Exception: internal_problem,
}


async def respond(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """What Litestar does with an error, for where Litestar does not reach."""
    handlers = scope["route_handler"].resolve_exception_handlers()
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    response: Response[Any] = handler(request, error)
    await response.to_asgi_response(app=None, request=request)(scope, receive, send)


def problem(
    request: Request[Any, Any, Any],
    status: int,
    slug: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response[Any]:
    body = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": quote(request.scope["path"], errors="replace"),
        "request_id": request_id(request.scope),
        **extra,
    }
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _field_errors(error: ValidationException) -> Iterable[dict[str, str]]:
    """`type_` is a parameter's name in Python where `type` is the client's."""
    for each in error.extra if isinstance(error.extra, list) else ():
        message, field = field_error(str(each.get("message", "not valid")), str(each.get("key", "query")))
        yield {"field": field.rstrip("_"), "message": message}
