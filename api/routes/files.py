"""Files: find, look at, change, download, delete, and what has happened to them."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import HttpMethod, Request, Response, delete, get, patch, route
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Redirect
from litestar.status_codes import HTTP_304_NOT_MODIFIED
from sqlalchemy.ext.asyncio import AsyncSession

from api.commands import SESSIONLESS
from api.downloads import content_url
from api.etags import etag, is_known, versions
from api.paging import Cursor, Limit, Position, next_link, paged, read_cursor
from api.reading import seen_file
from api.requests import FileChanges
from api.searching import asked, cursor_after, read_after
from api.views import CloudEventView, EventPage, FilePage, FileView
from domain.actor import Actor, Scope
from domain.files.commands import DeleteFile, UpdateFile, delete_file, update_file
from domain.files.filters import FileSearch, Sort
from domain.files.finding import BY_VALUES, Ask, files_of, find_files
from domain.files.queries import own_file
from domain.files.relevance import Match, find_relevant
from domain.files.sight import SeenFile
from infra.storage import Storage
from outbox.downloads import download_own
from outbox.envelope import structured_event
from outbox.history import history

BY_POSITION = itemgetter("position")
IfMatch = Annotated[str | None, HeaderParameter(name="If-Match")]


@get(
    "/v1/files",
    dependencies={"asked": Provide(asked, sync_to_thread=False)},
    opt=SESSIONLESS,
    summary="Search your files",
)
async def list_files(
    request: Request[Actor, Any, Any],
    asked: NamedDependency[FileSearch],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[FilePage]:
    request.user.with_scope(Scope.FILES_READ)  # before Postgres is asked for anything; the search asks again
    after = read_after(asked, cursor)
    async with request.app.state.driver.reading(BY_VALUES) as ask:
        files, more = await _page(ask, request.user, asked, after, limit)
    return Response(FilePage([FileView.of(file) for file in files], more), headers=next_link(request, more))


@get("/v1/files/{file_id:uuid}", opt=SESSIONLESS, summary="One file")
async def get_file(
    request: Request[Actor, Any, Any],
    file_id: FromPath[UUID],
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> Response[FileView | None]:
    file = await seen_file(request.app.state.driver, request.user, file_id)
    if is_known(file, if_none_match):
        return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers={"ETag": etag(file)})
    return Response(FileView.of(file), headers={"ETag": etag(file)})


@patch("/v1/files/{file_id:uuid}", summary="Change what is said of a file")
async def change_file(
    file_id: FromPath[UUID],
    data: JSONBody[FileChanges],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    if_match: IfMatch = None,
) -> Response[FileView]:
    command = UpdateFile(file_id=file_id, changes=data.given(), versions=versions(if_match))
    file = await update_file(transaction, actor, command)
    return Response(FileView.of(file), headers={"ETag": etag(file)})


@route(
    "/v1/files/{file_id:uuid}/content",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=307,
    summary="Download: a redirect to a short-lived URL",
)
async def download(
    request: Request[Actor, Any, Any],
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
    inline: Annotated[bool, QueryParameter()] = False,
) -> Redirect:
    if request.method == HttpMethod.HEAD:
        file = await own_file(transaction, actor, file_id)
        content = file.content()
    else:
        content = await download_own(transaction, actor, file_id)
    url = await content_url(storage, content, request.method, inline=inline)
    return Redirect(url, status_code=307, headers={"Cache-Control": "no-store"})


@get("/v1/files/{file_id:uuid}/events", summary="What has happened to a file, oldest first")
async def file_history(
    request: Request[Actor, Any, Any],
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[EventPage]:
    await own_file(transaction, actor, file_id)
    after = read_cursor(cursor, Position) or 0
    found = (await transaction.execute(history(file_id, after=after, limit=limit + 1))).mappings().all()
    rows, more = paged(found, limit, BY_POSITION)
    views = [msgspec.convert(structured_event(row), CloudEventView) for row in rows]
    return Response(EventPage(views, more), headers=next_link(request, more))


@delete("/v1/files/{file_id:uuid}", summary="Delete a file; its bytes go soon after")
async def remove_file(
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    if_match: IfMatch = None,
) -> None:
    await delete_file(transaction, actor, DeleteFile(file_id=file_id, versions=versions(if_match)))


async def _page(
    ask: Ask, actor: Actor, search: FileSearch, after: Any, limit: int
) -> tuple[list[SeenFile], str | None]:
    """The files of a page, and the cursor of the next one if there is one."""
    found: Sequence[SeenFile | Match]
    if search.sort is Sort.RELEVANCE:
        found = matches = await find_relevant(ask, actor, search, after=after, limit=limit + 1)
        files = await files_of(ask, [match.id for match in matches[:limit]])
    else:
        found = files = await find_files(ask, actor, search, after=after, limit=limit + 1)
    return files[:limit], cursor_after(search, found[limit - 1]) if len(found) > limit else None


ROUTES = (list_files, get_file, change_file, download, file_history, remove_file)
