"""Bytes come in: through us, or straight to S3 by presigned parts."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from api.forms import boundary_of, checked, fields_of, read_form
from api.idempotency import STREAMED
from api.requests import FilePart, NewUpload
from api.streaming import FileTooLarge, Incoming
from api.views import FileView, PartView, StartedUpload, UploadView
from domain.actor import Actor, Scope
from domain.aggregate import new_id, now
from domain.errors import Conflict
from domain.files import parts
from domain.files.commands import (
    AcceptUpload,
    CompleteUpload,
    StartUpload,
    accept_upload,
    complete_upload,
    start_upload,
)
from domain.files.model import File
from domain.files.promise import Place, incoming_key, object_key
from domain.files.queries import own_file
from infra.settings import Settings
from infra.storage import ObjectMissing, Storage

UPLOAD_TTL = timedelta(hours=24)
URLS_AT_A_TIME = 20
"""Signing one takes some 0.2 ms of the event loop; others have their turn in between."""


class UploadIncomplete(Conflict):
    """S3 has not received all parts yet."""

    slug = "upload-incomplete"


@post("/v1/files", status_code=202, opt=STREAMED, request_max_body_size=None, summary="Upload a file through the API")
async def upload_file(
    request: Request[Actor, Any, Any],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
) -> Response[FileView]:
    actor.with_scope(Scope.FILES_WRITE)  # before the first byte; the command asks again
    boundary = boundary_of(request.headers)
    file_id = new_id()
    place = Place(file_id=file_id, bucket=storage.bucket, key=object_key(file_id))
    async with AsyncExitStack() as stack:
        incoming: Incoming | None = None
        part = FilePart(name="-")

        async def on_file(name: str, type_: str) -> Any:
            nonlocal incoming, part
            part = checked({"name": name, "content_type": type_}, FilePart)
            opening = Incoming.to(storage, place.key, content_type=part.content_type, max_size=settings.max_file_size)
            incoming = await stack.enter_async_context(opening)
            return incoming.write

        form = await read_form(request.stream(), boundary, on_file)
        assert incoming is not None  # noqa: S101 - read_form refuses a form without a file
        promise = fields_of(form, part).promise(size=incoming.size)
        await incoming.finish()
        command = AcceptUpload(promise=promise, place=place, received_sha256=incoming.sha256)
        file = await accept_upload(transaction, actor, command)
        await transaction.flush()
        request.state.undo = incoming.undo
    return Response(FileView.of(file), headers={"Location": f"/v1/files/{file.id}"})


@post("/v1/uploads", summary="Promise a file whose bytes go straight to S3")
async def open_upload(
    data: JSONBody[NewUpload],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
) -> StartedUpload:
    actor.with_scope(Scope.FILES_WRITE)  # before S3 is asked for anything; the command asks again
    if data.size > settings.max_file_size:
        raise FileTooLarge
    promise = data.promise(size=data.size)
    place = await _place(storage, new_id(), promise.size, promise.content_type)
    file = await start_upload(transaction, actor, StartUpload(promise=promise, place=place))
    return StartedUpload(FileView.of(file), await _upload(file, storage))


@post("/v1/uploads/{file_id:uuid}/complete", status_code=202, summary="Say that all parts are there")
async def finish_upload(
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
) -> FileView:
    file = await own_file(transaction, actor, file_id, scope=Scope.FILES_WRITE)
    if file.is_pending and (missing := await _missing_parts(file, storage)):
        raise UploadIncomplete(missing_parts=missing)
    return FileView.of(await complete_upload(transaction, actor, CompleteUpload(file_id=file_id)))


async def _place(storage: Storage, file_id: UUID, size: int, content_type: str) -> Place:
    """One part is one object, of its own key; several are a multipart upload of the final one."""
    part_size = parts.part_size(size)
    if len(parts.plan(size, part_size)) == 1:
        return Place(file_id=file_id, bucket=storage.bucket, key=incoming_key(file_id), part_size=part_size)
    key = object_key(file_id)
    upload_id = await storage.start_multipart(key, content_type=content_type)
    return Place(file_id=file_id, bucket=storage.bucket, key=key, upload_id=upload_id, part_size=part_size)


async def _upload(file: File, storage: Storage) -> UploadView:
    size = file.part_size or parts.part_size(file.size)
    views: list[PartView] = []
    for part in parts.plan(file.size, size):
        views.append(PartView(part.number, part.size, await _url(file, part.number, storage)))
        if part.number % URLS_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return UploadView(file.id, size, views, now() + UPLOAD_TTL)


async def _url(file: File, number: int, storage: Storage) -> str:
    seconds = int(UPLOAD_TTL.total_seconds())
    if file.upload_id is None:
        return await storage.url_to_put(file.key, expires_in=seconds)
    return await storage.url_to_put_part(file.key, file.upload_id, number, expires_in=seconds)


async def _missing_parts(file: File, storage: Storage) -> list[int]:
    try:
        if file.upload_id is None:
            await storage.size(file.key)
            return []
        received = {part.number for part in await storage.parts(file.key, file.upload_id)}
    except ObjectMissing:
        received = set()
    return [part.number for part in parts.plan(file.size, file.part_size) if part.number not in received]


ROUTES = (upload_file, open_upload, finish_upload)
