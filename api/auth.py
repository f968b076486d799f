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


class Authentication(AbstractAuthenticationMiddleware):
    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken
        return AuthenticationResult(user=await _actor(connection.app.state, token.strip()), auth=None)


async def _actor(state: State, token: str) -> Actor:
    """The header picks the verifier, and with it everything that the token has to be. Raises BadToken."""
    if token.startswith(service_tokens.HEADER):
        service: Actor = await state.service_tokens.verify(token)
        return service
    person: Actor = state.access_tokens.verify(token)
    if not await state.liveness.is_alive(person.session_id, session_is_alive):
        raise BadToken
    return person
