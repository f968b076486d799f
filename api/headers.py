"""Headers that keep browsers safe, and which pages of others may call us."""

from typing import Any, cast

from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from api.limits import SHARE_PASSWORD_HEADER
from api.request_id import HEADER, request_id
from infra.settings import Settings

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
UNLESS_SET = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""A page that needs more may say so itself, and so may what anybody can keep."""
PUT_HEADERS = ("Repr-Digest", "Expires-In", "Max-Downloads", "Share-Password")
ONLY_TLS = f"max-age={365 * 24 * 60 * 60}"


async def add_headers(message: Message, scope: Scope) -> None:
    """On every response, errors and unknown paths included."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    headers[HEADER] = request_id(scope)
    headers.update(ALWAYS)
    for name, value in UNLESS_SET.items():
        headers.setdefault(name, value)
    settings: Settings = cast("dict[str, Any]", scope)["litestar_app"].state.settings
    if settings.public_url.startswith("https:"):
        headers["Strict-Transport-Security"] = ONLY_TLS


def header_text(value: str | None) -> str | None:
    """A header's value as UTF-8, which is what clients send, where the server has read it as Latin-1."""
    try:
        return value and value.encode("latin-1").decode()
    except UnicodeError:
        return value


def cross_origin(settings: Settings) -> CORSConfig | None:
    """Off unless origins are set; no cookies: the one that we have is for pages of our own origin."""
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID"),
            *(SHARE_PASSWORD_HEADER, HEADER),
            *PUT_HEADERS,
        ],
        expose_headers=["ETag", "Location", "Link", HEADER, "Idempotent-Replayed", "Retry-After"],
    )
