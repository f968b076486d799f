"""Sessions: log in, stay in, look who is in, and log out."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import PUBLIC
from api.idempotency import HASHING
from api.limits import LOGIN, REFRESH
from api.paging import Cursor, Limit, next_link, paged, read_cursor
from api.requests import Login, Refreshment
from api.views import OwnSessionView, SessionPage, SessionView
from domain.actor import Actor
from domain.sessions.commands import EndSession, LoggedIn, LogIn, Refresh, end_session, log_in, refresh
from domain.sessions.errors import RefreshTokenReused, SessionNotFound
from domain.sessions.queries import own_sessions


@post("/v1/sessions", opt=PUBLIC | LOGIN | HASHING, summary="Log in")
async def open_session(
    request: Request[Any, Any, Any],
    data: JSONBody[Login],
    transaction: NamedDependency[AsyncSession],
    state: State,
) -> SessionView:
    command = LogIn(email=data.email, password=data.password, user_agent=request.headers.get("User-Agent"))
    return _view(state, await log_in(transaction, command))


@post(
    "/v1/sessions/refresh",
    status_code=200,
    opt=PUBLIC | REFRESH,
    summary="Stay logged in: a new pair for a refresh token",
)
async def refresh_session(
    data: JSONBody[Refreshment], transaction: NamedDependency[AsyncSession], state: State
) -> SessionView:
    try:
        return _view(state, await refresh(transaction, Refresh(token=data.refresh_token)))
    except RefreshTokenReused as reused:
        state.liveness.forget_once_committed(transaction, [reused.session_id])
        raise


@get("/v1/sessions", summary="Where you are logged in")
async def list_sessions(
    request: Request[Actor, Any, Any],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[SessionPage]:
    query = own_sessions(actor, after=read_cursor(cursor, UUID), limit=limit + 1)
    found, more = paged((await transaction.scalars(query)).all(), limit)
    views = [OwnSessionView.of(each, current=each.id == actor.session_id) for each in found]
    return Response(SessionPage(views, more), headers=next_link(request, more))


@delete("/v1/sessions/current", summary="Log out")
async def close_current_session(
    actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession], state: State
) -> None:
    session_id = actor.as_person().session_id
    if session_id is None:
        raise SessionNotFound
    await _end(transaction, actor, session_id, state)


@delete("/v1/sessions/{session_id:uuid}", summary="Log out there")
async def close_session(
    session_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    state: State,
) -> None:
    await _end(transaction, actor, session_id, state)


async def _end(transaction: AsyncSession, actor: Actor, session_id: UUID, state: State) -> None:
    await end_session(transaction, actor, EndSession(session_id=session_id))
    state.liveness.forget_once_committed(transaction, [session_id])


def _view(state: State, logged_in: LoggedIn) -> SessionView:
    session, issued = logged_in.session, logged_in.refresh_token
    access = state.access_tokens.issue(session.account_id, session.id)
    return SessionView(session.id, access.token, access.expires_at, issued.token, issued.expires_at)


ROUTES = (open_session, refresh_session, list_sessions, close_current_session, close_session)
