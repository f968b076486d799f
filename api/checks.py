"""What a route asks of a request before anything is done for it.

No guards of Litestar's: for each of them it copies the whole handler, with each request.
"""

from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from api.bodies import takes_json
from api.limits import within_limits
from api.problems import respond


class Checks(ASGIMiddleware):
    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        handler = scope["route_handler"]
        if "limits" in handler.opt or getattr(handler, "parsed_data_field", None) is not None:
            try:
                request: Request[Any, Any, Any] = Request(scope, receive, send)
                await takes_json(request, handler)
                await within_limits(request, handler)
            except Exception as error:  # noqa: BLE001 - as Litestar does with what a guard raises
                await respond(error, scope, receive, send)
                return
        await next_app(scope, receive, send)
