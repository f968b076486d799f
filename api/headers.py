"""Headers that keep browsers safe, and which pages of others may call us."""

from typing import Any, cast

from litestar.config.cors import CORSConfig
from litestar.types import Message, Scope

from api.limits import SHARE_PASSWORD_HEADER
from api.request_id import HEADER, request_id
from infra.settings import Settings

REQUEST_ID = HEADER.lower().encode()
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
UNLESS_SET = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""A page that needs more may say so itself, and so may what anybody can keep."""
PUT_HEADERS = ("Repr-Digest", "Expires-In", "Max-Downloads", "Share-Password")
ONLY_TLS = (b"strict-transport-security", b"max-age=%d" % (365 * 24 * 60 * 60))


async def add_headers(message: Message, scope: Scope) -> None:
    """On every response, errors and unknown paths included."""
    if message["type"] != "http.response.start":
        return
    headers = [*message["headers"], (REQUEST_ID, request_id(scope).encode()), *ALWAYS]
    given = {name for name, _ in headers}
    headers.extend(each for each in UNLESS_SET if each[0] not in given)
    settings: Settings = cast("dict[str, Any]", scope)["litestar_app"].state.settings
    if settings.public_url.startswith("https:"):
        headers.append(ONLY_TLS)
    message["headers"] = headers


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
