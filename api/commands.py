"""A request that changes something is one transaction: its row in `commands`, the change, its events, then COMMIT.

The answer is held back until the commit has succeeded, so that nobody is told of a change that did not happen.
"""

from typing import Any, cast

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.answers import Answer
from api.bodies import BodyIncomplete
from api.idempotency import Keyed, idempotency_key
from api.problems import respond
from api.records import note, record
from infra.failpoints import failpoint

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
SESSIONLESS = {"sessionless": True}
"""`opt` of routes that need no session: they read by the driver, or commit by one statement before they answer.

With an Idempotency-Key they have one all the same.
"""


class CommandMiddleware(ASGIMiddleware):
    """Opens the session of a request and ends it: with a commit where a change stands, with a rollback otherwise."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        scope = cast("HTTPScope", scope)
        if _does_without(scope):
            await next_app(scope, _whole(receive), send)
            return
        async with scope["litestar_app"].state.sessions() as session:
            scope["state"]["session"] = session
            if scope["method"] not in CHANGING:
                await next_app(scope, receive, send)
                return
            try:
                answer = await _run(scope, session, _whole(receive), next_app)
            except Exception as error:  # noqa: BLE001 - Litestar takes the answer held back for one that has begun
                await respond(error, scope, receive, send)
                return
        await answer.send(send)


def _does_without(scope: HTTPScope) -> bool:
    if not scope["route_handler"].opt.get("sessionless"):
        return False
    return scope["method"] not in CHANGING or "Idempotency-Key" not in Headers.from_scope(scope)


async def _run(scope: HTTPScope, session: AsyncSession, receive: Receive, app: ASGIApp) -> Answer:
    if (key := idempotency_key(scope)) is not None:
        return await _run_once(Keyed(scope, session, key), session, receive, app)
    answer = await Answer.of(app, scope, receive)
    if answer.stands(scope):
        note(scope, session, record(scope, answer.status))
        await _commit(session)
    return answer


async def _run_once(keyed: Keyed, session: AsyncSession, receive: Receive, app: ASGIApp) -> Answer:
    answer = await keyed.run(receive, app)
    try:
        await _commit(session)
    except IntegrityError:
        if (theirs := await keyed.beaten()) is None:
            raise
        return theirs
    return answer


async def _commit(session: AsyncSession) -> None:
    failpoint("api.before_commit")
    await session.commit()
    failpoint("api.after_commit")


def _whole(receive: Receive) -> Receive:
    """What receives a body, or raises BodyIncomplete: half of one is never taken for the whole."""

    async def received() -> Any:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyIncomplete
        return message

    return received
