"""How often one may ask: rules that a route names in its `opt`, checked before anything is done for the request.

Whom a rule counts is a client's address or the account that a body names, whether there is such an account or not.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from domain.accounts.model import normal_email
from domain.errors import TooOften
from infra.rates import Rate, Rates

MINUTE, HOUR = 60, 3600
SHARE_PASSWORD_HEADER = "X-Share-Password"  # noqa: S105 - a name, not a password
AnyRequest = Request[Any, Any, Any]


class _Addressed(msgspec.Struct):
    email: str


class _Inviting(msgspec.Struct):
    recipients: list[str] = []


async def address(request: AnyRequest) -> str:
    return client_address(request)


def client_address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """A /64 of IPv6, which is what one customer gets."""
    host = connection.client.host if connection.client else ""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))


async def account(request: AnyRequest) -> str | None:
    """The e-mail address that the body names; none if it is not a body that the route could take."""
    try:
        return normal_email(msgspec.json.decode(await request.body(), type=_Addressed).email)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


async def inviting_account(request: AnyRequest) -> str | None:
    """Whoever has mail sent to others; none if the body names nobody."""
    try:
        invited = msgspec.json.decode(await request.body(), type=_Inviting).recipients
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return str(request.user.account_id) if invited else None


async def guessing_address(request: AnyRequest) -> str | None:
    """None if no password is sent."""
    return client_address(request) if _sends_a_password(request) else None


async def guessed_share(request: AnyRequest) -> str | None:
    return str(request.path_params["token"]) if _sends_a_password(request) else None


def _sends_a_password(request: AnyRequest) -> bool:
    return request.method == "POST" or SHARE_PASSWORD_HEADER in request.headers


@dataclass(frozen=True)
class Limit:
    """At most `amount` in any `seconds`, for each of `whom`."""

    name: str
    amount: int
    seconds: int
    whom: Callable[[AnyRequest], Awaitable[str | None]]


LOGIN = {
    "limits": (
        Limit("login-address", 60, MINUTE, address),  # an office behind one address
        Limit("login-account", 10, MINUTE, account),  # a person who tries the passwords they remember
        Limit("login-account", 100, HOUR, account),  # NIST SP 800-63B: no more than 100 guesses in a row
    )
}
REGISTRATION = {
    "limits": (
        Limit("registration-address", 20, MINUTE, address),
        Limit("registration-account", 5, HOUR, account),  # closed and opened again, each is another mail
    )
}
REFRESH = {"limits": (Limit("refresh-address", 120, MINUTE, address),)}
PASSWORD_RESET = {
    "limits": (
        Limit("reset-address", 20, MINUTE, address),
        Limit("reset-account", 5, HOUR, account),  # each is a mail that somebody may not have asked for
    )
}
ONE_TIME_TOKEN = {"limits": (Limit("token-address", 20, MINUTE, address),)}
"""Verification, and the second half of a reset."""
INVITATION = {"limits": (Limit("invitation-account", 60, HOUR, inviting_account),)}  # each is up to 20 mails
SHARE_PASSWORD = {
    "limits": (
        Limit("share-password-address", 60, MINUTE, guessing_address),  # an office behind one address
        Limit("share-password-share", 30, MINUTE, guessed_share),
        Limit("share-password-share", 200, HOUR, guessed_share),
    )
}


async def within_limits(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Counts a request the first time it is asked. Raises TooOften."""
    if not isinstance(connection, Request) or connection.scope["state"].get("counted"):
        return
    connection.scope["state"]["counted"] = True
    rates: Rates = connection.app.state.rates
    limits: tuple[Limit, ...] = handler.opt.get("limits", ())
    for limit in limits:
        whom = await limit.whom(connection)
        if whom is None:
            continue
        wait = await rates.wait(limit.name, whom, Rate(limit.amount, limit.seconds))
        if wait > 0:
            raise TooOften(retry_after=math.ceil(wait))
