"""What happens, over HTTP: page by page, or as it happens."""

from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter, QueryParameter
from litestar.response.base import ASGIResponse
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import COOKIE, WITH_COOKIE
from api.live.response import EventStream
from api.live.streams import Streams
from api.paging import LAST_POSITION, Cursor, Limit, Position, next_link, read_cursor, write_cursor
from api.searching import VISIBLE_ASCII
from api.tokens import AccessTokens
from api.views import CloudEventView, EventFeedPage
from domain.actor import Actor, Scope
from domain.aggregate import now
from domain.errors import Gone
from infra.settings import Settings
from outbox.envelope import structured_event
from outbox.feed import Filter, before_the_oldest, is_expired, page

STREAM = "/v1/events/stream"

After = Annotated[
    int | None, QueryParameter(ge=0, le=LAST_POSITION, description="A position: what came later is meant")
]
LastEventId = Annotated[
    int | None,
    HeaderParameter(
        name="Last-Event-ID",
        ge=0,
        le=LAST_POSITION,
        description="The last `id` that you have; counts more than `after`",
    ),
]
AN_EVENT = 'id: 4711\nevent: file.available\ndata: {"specversion": "1.0", "sequence": "4711", …}\n\n'
AS_IT_HAPPENS = ResponseSpec(
    str,
    description="Server-Sent Events; each `data` is a CloudEvent as in `GET /v1/events`",
    media_type="text/event-stream",
    generate_examples=False,
    examples=[Example(summary="An event", value=AN_EVENT)],
)


class PositionExpired(Gone):
    """What came after this position is not all known any more."""

    slug = "position-expired"


def filtered(
    actor: NamedDependency[Actor],
    type_: Annotated[
        str | None,
        QueryParameter(name="type", max_length=255, pattern=VISIBLE_ASCII, description="As in `file.*`"),
    ] = None,
    subject: Annotated[UUID | None, QueryParameter(description="A file's id, or another subject's")] = None,
) -> Filter:
    """Their own events; everybody's for a service that may read events. Raises ScopeMissing."""
    actor.with_scope(Scope.EVENTS_READ)
    owner = actor.account_id if actor.service_token_id is None else None
    return Filter(owner=owner, type=type_, subject=subject)


FILTERED = {"filtered": Provide(filtered, sync_to_thread=False)}


@get("/v1/events", dependencies=FILTERED, opt={"refusals": (410,)}, summary="What has happened, oldest first")
async def list_events(
    request: Request[Actor, Any, Any],
    filtered: NamedDependency[Filter],
    transaction: NamedDependency[AsyncSession],
    settings: NamedDependency[Settings],
    after: After = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[EventFeedPage]:
    start = read_cursor(cursor, Position)
    if start is None:
        start = await _start(transaction, after, settings)
    found = await page(transaction, filtered, after=start, limit=limit)
    more = write_cursor(found.position) if found.more else None
    views = [msgspec.convert(structured_event(row), CloudEventView) for row in found.rows]
    return Response(EventFeedPage(views, more, str(found.position)), headers=next_link(request, more))


@post("/v1/events/cookie", status_code=204, summary="Let an EventSource of this browser listen")
async def give_cookie(
    actor: NamedDependency[Actor], state: State, settings: NamedDependency[Settings]
) -> Response[None]:
    """For the stream alone, and no longer than the access token: an EventSource can send no header of ours."""
    session_id = actor.as_person().session_id
    tokens: AccessTokens = state.stream_tokens
    token = tokens.issue(actor.account_id, cast("UUID", session_id), until=actor.expires_at)
    cookie = Cookie(
        key=COOKIE,
        value=token.token,
        path=STREAM,
        max_age=max(1, int((token.expires_at - now()).total_seconds())),
        httponly=True,
        secure=settings.public_url.startswith("https:"),
        samesite="strict",
    )
    return Response(None, cookies=[cookie])


@get(
    STREAM,
    dependencies=FILTERED,
    opt={"refusals": (410, 429)} | WITH_COOKIE,
    summary="What happens, as it happens: Server-Sent Events",
    responses={200: AS_IT_HAPPENS},
)
async def stream_events(
    actor: NamedDependency[Actor],
    filtered: NamedDependency[Filter],
    state: State,
    settings: NamedDependency[Settings],
    after: After = None,
    last_event_id: LastEventId = None,
) -> ASGIResponse:
    """Without a position, what happens from now on."""
    streams: Streams = state.streams
    start = after if last_event_id is None else last_event_id
    subscriber = streams.admit(actor, filtered)
    try:
        if start is None:
            start, joined = await streams.reader.join(subscriber), True
        else:
            await _require_known(state, start, settings)
            joined = False
    except BaseException:
        streams.dismiss(subscriber)
        raise
    return EventStream(streams, subscriber, after=start, joined=joined)


async def _start(session: AsyncSession, after: int | None, settings: Settings) -> int:
    if after is None:
        return await before_the_oldest(session)
    if await is_expired(session, after, retention_days=settings.retention_days):
        raise PositionExpired(f"Events are kept for {settings.retention_days} days")
    return after


async def _require_known(state: State, after: int, settings: Settings) -> None:
    """In a session of its own: that of the request would hold a connection for as long as the stream lasts."""
    async with state.sessions() as session:
        await _start(session, after, settings)


ROUTES = (list_events, give_cookie, stream_events)
