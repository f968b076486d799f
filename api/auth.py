"""Who is asking: read from the bearer token before anything else of the request is looked at."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from api import service_tokens
from api.paseto import BadToken
from domain.actor import Actor
from domain.sessions.queries import session_is_alive

PUBLIC = {"exclude_from_auth": True}
"""`opt` of routes that anybody may call."""
WITH_COOKIE = {"cookie": True}
"""`opt` of what a browser asks for by itself, without a header that a page could add."""
COOKIE = "waybill_stream"


class Authentication(AbstractAuthenticationMiddleware):
    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        state, credentials = connection.app.state, connection.headers.get("Authorization")
        if credentials is None and connection.route_handler.opt.get("cookie"):
            user = await _living(state, state.stream_tokens.verify(connection.cookies.get(COOKIE, "")))
            return AuthenticationResult(user=user, auth=None)
        scheme, _, token = (credentials or "").partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken
        return AuthenticationResult(user=await _actor(state, token.strip()), auth=None)


async def _actor(state: State, token: str) -> Actor:
    """The header picks the verifier, and with it everything that the token has to be. Raises BadToken."""
    if token.startswith(service_tokens.HEADER):
        service: Actor = await state.service_tokens.verify(token)
        return service
    return await _living(state, state.access_tokens.verify(token))


async def _living(state: State, person: Actor) -> Actor:
    """Raises BadToken."""
    if not await state.liveness.is_alive(person.session_id, session_is_alive):
        raise BadToken
    return person
