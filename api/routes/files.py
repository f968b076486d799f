"""Files: find, look at, download, delete, and what has happened to them."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import HttpMethod, Request, Response, delete, get, route
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect
from sqlalchemy.ext.asyncio import AsyncSession

from api.paging import AfterFile, Cursor, Limit, Position, next_link, read_cursor, write_cursor
from api.views import CloudEventView, EventPage, FilePage, FileView
from domain.actor import Actor
from domain.files.commands import DeleteFile, delete_file
from domain.files.model import File, Status
from domain.files.queries import FileSearch, own_file, own_files
from infra.storage import Storage
from outbox.history import history
from outbox.message import structured_event

DOWNLOAD_URL_SECONDS = 300
VISIBLE_ASCII = r"^[!-~]*$"


@get("/v1/files", summary="Search your files")
async def list_files(
    request: Request[Actor, Any, Any],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    q: Annotated[str | None, QueryParameter(max_length=1000)] = None,
    type_: Annotated[str | None, QueryParameter(name="type", max_length=255, pattern=VISIBLE_ASCII)] = None,
    status: Annotated[Status, QueryParameter()] = Status.AVAILABLE,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[FilePage]:
    last = read_cursor(cursor, AfterFile)
    after = None if last is None else (last.created_at, last.id)
    search = FileSearch(q=q, type=type_, status=status, after=after)
    found = (await transaction.scalars(own_files(actor, search, limit=limit + 1))).all()
    page = found[:limit]
    more = write_cursor((page[-1].created_at, page[-1].id)) if len(found) > limit else None
    return Response(FilePage([FileView.of(file) for file in page], more), headers=next_link(request, more))


@get("/v1/files/{file_id:uuid}", summary="One file")
async def get_file(
    file_id: FromPath[UUID], actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession]
) -> Response[FileView]:
    file = await own_file(transaction, actor, file_id)
    return Response(FileView.of(file), headers={"ETag": f'"{file.version}"'})


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
) -> Redirect:
    file = await own_file(transaction, actor, file_id)
    file.require_content()
    url = await _content_url(storage, file, request.method)
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
    rows = (await transaction.execute(history(file_id, after=after, limit=limit + 1))).mappings().all()
    more = write_cursor(rows[limit - 1]["position"]) if len(rows) > limit else None
    views = [msgspec.convert(structured_event(row), CloudEventView) for row in rows[:limit]]
    return Response(EventPage(views, more), headers=next_link(request, more))


@delete("/v1/files/{file_id:uuid}", summary="Delete a file; its bytes go soon after")
async def remove_file(
    file_id: FromPath[UUID], actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession]
) -> None:
    await delete_file(transaction, actor, DeleteFile(file_id=file_id))


async def _content_url(storage: Storage, file: File, method: str) -> str:
    if method == HttpMethod.HEAD:
        return await storage.url_to_head(file.key, expires_in=DOWNLOAD_URL_SECONDS)
    return await storage.url_to_get(
        file.key, name=file.name, content_type=file.content_type, expires_in=DOWNLOAD_URL_SECONDS
    )


ROUTES = (list_files, get_file, download, file_history, remove_file)
