"""Uploads whose bytes go straight to S3: promised, resumed from anywhere, completed or aborted."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from api.commands import SESSIONLESS
from api.dependencies import released_if_refused
from api.presigning import UPLOAD_TTL, Received, opened, plan, received, restarted, signed
from api.promising import promised_at_once
from api.requests import NewUpload, PartNumbers
from api.streaming import FileTooLarge
from api.views import FileView, FreshParts, ReceivedPartView, StartedUpload, UploadStateView, UploadView
from domain.actor import Actor, Scope
from domain.aggregate import new_id, now
from domain.errors import Conflict, Invalid
from domain.files.commands import (
    AbortUpload,
    CompleteUpload,
    ProlongUpload,
    RestartUpload,
    StartUpload,
    abort_upload,
    complete_upload,
    prolong_upload,
    restart_upload,
    start_upload,
)
from domain.files.model import File
from domain.files.parts import PlannedPart
from domain.files.queries import own_file
from infra.settings import Settings
from infra.storage import Storage


class UploadIncomplete(Conflict):
    """S3 has not received all parts yet."""

    slug = "upload-incomplete"


@post("/v1/uploads", opt=SESSIONLESS, summary="Promise a file whose bytes go straight to S3")
async def open_upload(request: Request[Actor, Any, Any], data: JSONBody[NewUpload]) -> Response[StartedUpload]:
    settings: Settings = request.app.state.settings
    storage: Storage = request.app.state.storage
    request.user.with_scope(Scope.FILES_WRITE)  # before S3 is asked for anything; the command asks again
    if data.size > settings.max_file_size:
        raise FileTooLarge
    promise = data.promise(size=data.size)
    async with opened(storage, new_id(), promise.size, promise.content_type) as (place, undo):
        command = StartUpload(promise=promise, place=place, default_quota=settings.quota_bytes)
        file = await _started(request, command)
        parts = await signed(storage, file, plan(file))
        request.state.undo = undo
    assert place.part_size is not None  # noqa: S101 - `opened` always plans
    assert place.open_until is not None  # noqa: S101
    started = StartedUpload(FileView.of(file), UploadView(file.id, place.part_size, parts, place.open_until))
    return Response(started, headers={"Location": f"/v1/uploads/{file.id}"})


@get("/v1/uploads/{file_id:uuid}", summary="What S3 has received: go on with what is missing, from any device")
async def get_upload(
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
) -> UploadStateView:
    file = await _detached(transaction, actor, file_id)
    file.require_existence()
    if file.is_pending:
        file.require_open_upload()
    return _state(file, await _received(storage, file))


@post("/v1/uploads/{file_id:uuid}/parts", status_code=200, summary="Fresh URLs, and time to use them")
async def refresh_parts(
    file_id: FromPath[UUID],
    data: JSONBody[PartNumbers],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
) -> FreshParts:
    file = await _detached(transaction, actor, file_id)
    file.require_open_upload()
    chosen = _chosen(file, data.numbers)
    await _restart_if_lost(transaction, actor, storage, file)
    until = now() + UPLOAD_TTL
    file = await prolong_upload(transaction, actor, ProlongUpload(file_id=file_id, until=until))
    return FreshParts(await signed(storage, file, chosen), until)


@post("/v1/uploads/{file_id:uuid}/complete", status_code=202, summary="Say that all parts are there")
async def finish_upload(
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
) -> FileView:
    file = await _detached(transaction, actor, file_id)
    if file.is_pending and not file.is_abandoned and (missing := _missing(file, await received(storage, file))):
        raise UploadIncomplete(missing_parts=missing)
    return FileView.of(await complete_upload(transaction, actor, CompleteUpload(file_id=file_id)))


@delete("/v1/uploads/{file_id:uuid}", summary="Abort: what S3 has received goes soon after")
async def cancel_upload(
    file_id: FromPath[UUID], actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession]
) -> None:
    await abort_upload(transaction, actor, AbortUpload(file_id=file_id))


async def _started(request: Request[Actor, Any, Any], command: StartUpload) -> File:
    """In the session of the request, if it has one; else it is committed at once."""
    transaction: AsyncSession | None = request.scope["state"].get("session")
    if transaction is None:
        return await promised_at_once(request, command)
    async with released_if_refused(transaction):
        file = await start_upload(transaction, request.user, command)
        await transaction.flush()
    return file


async def _detached(transaction: AsyncSession, actor: Actor, file_id: UUID) -> File:
    """As it is now: no connection is held while S3 is asked about it."""
    file = await own_file(transaction, actor, file_id, scope=Scope.FILES_WRITE)
    transaction.expunge(file)
    await transaction.rollback()
    return file


async def _restart_if_lost(transaction: AsyncSession, actor: Actor, storage: Storage, file: File) -> None:
    if (lost := file.upload_id) is None or (upload_id := await restarted(storage, file)) is None:
        return
    command = RestartUpload(file_id=file.id, lost=lost, upload_id=upload_id)
    if (await restart_upload(transaction, actor, command)).upload_id != upload_id:  # somebody was quicker
        await storage.abort_multipart(file.key, upload_id)


async def _received(storage: Storage, file: File) -> Received:
    if file.is_pending:
        return await received(storage, file)
    return Received({} if file.needs_no_bytes else {part.number: part.size for part in plan(file)})


def _state(file: File, received: Received) -> UploadStateView:
    parts = [ReceivedPartView(part.number, part.size, received.has(part)) for part in plan(file)]
    return UploadStateView(
        id=file.id,
        file=FileView.of(file),
        part_size=file.part_size or file.size,
        parts=parts,
        received_bytes=sum(part.size for part in parts if part.received),
        expires_at=file.upload_expires_at,
    )


def _missing(file: File, received: Received) -> list[int]:
    """A lone object may have any size: that it is not the promised one is for finalization to tell."""
    if file.upload_id is None and received.sizes:
        return []
    return [part.number for part in plan(file) if not received.has(part)]


def _chosen(file: File, numbers: list[int]) -> list[PlannedPart]:
    """Each once, in order. Raises Invalid."""
    planned = plan(file)
    if unknown := [number for number in numbers if number > len(planned)]:
        raise Invalid(f"there is no part {unknown[0]}", field="numbers")
    return [planned[number - 1] for number in sorted(set(numbers))]


ROUTES = (open_upload, get_upload, refresh_parts, finish_upload, cancel_upload)
