"""Who is asking: read from the bearer token before anything else of the request is looked at."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from api.tokens import BadToken

PUBLIC = {"exclude_from_auth": True}
"""`opt` of routes that anybody may call."""


class Authentication(AbstractAuthenticationMiddleware):
    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken
        actor = connection.app.state.access_tokens.verify(token.strip())
        return AuthenticationResult(user=actor, auth=None)
