"""Every error as `application/problem+json` (RFC 9457): one table says which kind of error is which status."""

from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.request_id import request_id
from domain import errors
from domain.errors import DomainError
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
}

HTTP_SLUGS = {
    400: ("unparsable", "The request cannot be parsed"),
    401: ("unauthenticated", "No or bad credentials"),
    403: ("forbidden", "You may not do this"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "This cannot be done here"),
    413: ("too-large", "This is too large"),
    415: ("unsupported-media-type", "This media type is not taken here"),
    422: ("invalid", "The request is not valid"),
    429: ("too-many-requests", "Too many requests"),
    500: ("internal-error", "Something went wrong on our side"),
    503: ("unavailable", "A part of the service is down"),
}


def domain_problem(request: Request[Any, Any, Any], error: DomainError) -> Response[Any]:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    extra = dict(error.extra)
    if error.field is not None:
        extra["errors"] = [{"field": error.field, "message": error.detail}]
    headers = {"WWW-Authenticate": 'Bearer realm="waybill"'} if status == 401 else {}  # noqa: PLR2004
    title = (type(error).__doc__ or HTTP_SLUGS[status][1]).strip().splitlines()[0].rstrip(".")
    return _problem(request, status, error.slug, title, error.detail, headers=headers, **extra)


def http_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if isinstance(error, ValidationException):
        return _problem(request, 422, *HTTP_SLUGS[422], "Some fields are not valid", errors=_field_errors(error))
    status = error.status_code if error.status_code in HTTP_SLUGS else 500 if error.status_code >= 500 else 400  # noqa: PLR2004
    slug, title = HTTP_SLUGS[status]
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return _problem(request, status, slug, title, title, headers=headers)


def recursion_problem(request: Request[Any, Any, Any], _: RecursionError) -> Response[Any]:
    """JSON that is nested deeper than anybody means."""
    return _problem(request, 400, *HTTP_SLUGS[400], "The body is nested too deeply")


def unavailable_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Postgres, Redis or S3 is away: nothing has happened, so the client may simply try again."""
    log.warning("request.unavailable", error=f"{type(error).__name__}: {error}".partition("\n")[0])
    headers = {"Retry-After": RETRY_AFTER_SECONDS}
    return _problem(request, 503, *HTTP_SLUGS[503], "Nothing has happened; try again shortly", headers=headers)


def database_problem(request: Request[Any, Any, Any], error: DBAPIError) -> Response[Any]:
    """A lost connection, a full pool or a lock not had in time is for a retry; anything else is a fault of ours."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    if error.connection_invalidated or not sqlstate or sqlstate[:2] in {"08", "40", "53", "55", "57"}:
        return unavailable_problem(request, error)
    return internal_problem(request, error)


def internal_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("request.failed", exc_info=error)
    return _problem(request, 500, *HTTP_SLUGS[500], "It has been logged under this request_id")


EXCEPTION_HANDLERS: Mapping[Any, Any] = {
    DomainError: domain_problem,
    HTTPException: http_problem,
    RecursionError: recursion_problem,
    DBAPIError: database_problem,
    PoolTimeout: unavailable_problem,
    RedisError: unavailable_problem,
    StorageError: unavailable_problem,
    OSError: unavailable_problem,
    Exception: internal_problem,
}


def _problem(
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
        "instance": request.scope["path"],
        "request_id": request_id(request.scope),
        **extra,
    }
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _field_errors(error: ValidationException) -> list[dict[str, str]]:
    found = error.extra if isinstance(error.extra, list) else []
    return [{"field": str(each.get("key", "body")), "message": str(each.get("message", "not valid"))} for each in found]
