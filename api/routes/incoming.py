"""Bytes that come through us: as a form, or as the body of a PUT."""

from contextlib import AsyncExitStack
from typing import Any, TypeVar

from litestar import MediaType, Request, Response, post, put
from litestar.di import NamedDependency
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from api.bodies import length_of
from api.dependencies import released_if_refused
from api.digests import require_match
from api.forms import boundary_of, checked, fields_of, read_form
from api.idempotency import STREAMED
from api.openapi import RAW_BODY
from api.puts import name_in, put_fields, refuse_range, wanted_share
from api.requests import FilePart, NewShare
from api.routes.shares import share_url
from api.streaming import Ceiling, Incoming
from api.views import FileView, NewShareView, UploadedFileView
from domain.accounts import passwords
from domain.accounts.quota import QuotaExceeded, room_left
from domain.actor import Actor, Scope
from domain.aggregate import new_id
from domain.files.commands import AcceptUpload, accept_upload
from domain.files.model import File
from domain.files.promise import Place, Promise, object_key
from domain.shares.commands import ShareFile, share_file
from domain.shares.model import Terms
from infra.settings import Settings
from infra.storage import Storage

AnyFileView = TypeVar("AnyFileView", bound=FileView)


@post("/v1/files", status_code=202, opt=STREAMED, request_max_body_size=None, summary="Upload a file through the API")
async def upload_file(
    request: Request[Actor, Any, Any],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
) -> Response[FileView]:
    boundary = boundary_of(request.headers)
    ceiling = await _ceiling(transaction, actor, settings)
    place = _place(storage)
    async with AsyncExitStack() as stack:
        incoming: Incoming | None = None
        part = FilePart(name="-")

        async def on_file(name: str, type_: str) -> Any:
            nonlocal incoming, part
            part = checked({"name": name, "content_type": type_}, FilePart)
            opening = Incoming.to(
                storage, place.key, content_type=part.content_type, ceiling=ceiling, expected=length_of(request.headers)
            )
            incoming = await stack.enter_async_context(opening)
            return incoming.write

        form = await read_form(request.stream(), boundary, on_file)
        assert incoming is not None  # noqa: S101 - read_form refuses a form without a file
        promise = fields_of(form, part).promise(size=incoming.size)
        file = await _accept(request, promise, place, incoming)
    return _accepted(FileView.of(file))


@put(
    ["/u", "/u/{name:path}"],
    status_code=202,
    opt=STREAMED | RAW_BODY,
    request_max_body_size=None,
    summary="Upload a file as the body alone, as curl -T does",
)
async def put_file(
    request: Request[Actor, Any, Any],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
) -> Response[UploadedFileView] | Response[str]:
    ceiling = await _ceiling(transaction, actor, settings)
    refuse_range(request.headers)
    fields = put_fields(name_in(request.scope), request.headers)
    terms = await _terms(wanted_share(request.headers, fields))
    expected = length_of(request.headers)
    ceiling.require(expected)
    place = _place(storage)
    opening = Incoming.to(storage, place.key, content_type=fields.content_type, ceiling=ceiling, expected=expected)
    async with opening as incoming:
        async for chunk in request.stream():
            await incoming.write(chunk)
        promise = fields.promise(size=incoming.size)
        require_match(promise.sha256, incoming.sha256)
        file = await _accept(request, promise, place, incoming)
        view = UploadedFileView.of(file)
        if terms is not None:
            view.share = await _shared(transaction, actor, settings, file, terms)
    if request.accept.best_match([MediaType.JSON, MediaType.TEXT], default=MediaType.JSON) == MediaType.TEXT:
        return _link(view, settings)
    return _accepted(view)


async def _ceiling(transaction: AsyncSession, actor: Actor, settings: Settings) -> Ceiling:
    """Before the first byte; the command asks again. No connection is held while they come. Raises AccountClosed."""
    owner_id = actor.with_scope(Scope.FILES_WRITE).account_id
    room = await room_left(transaction, owner_id, default_quota=settings.quota_bytes)
    await transaction.rollback()
    if room < settings.max_file_size:
        return Ceiling(max(room, 0), QuotaExceeded)
    return Ceiling(settings.max_file_size)


def _place(storage: Storage) -> Place:
    file_id = new_id()
    return Place(file_id=file_id, bucket=storage.bucket, key=object_key(file_id))


async def _accept(request: Request[Actor, Any, Any], promise: Promise, place: Place, incoming: Incoming) -> File:
    """The last byte has come: make the object, then the row."""
    await incoming.finish()
    transaction: AsyncSession = request.state.session
    command = AcceptUpload(
        promise=promise,
        place=place,
        default_quota=request.app.state.settings.quota_bytes,
        received_sha256=incoming.sha256,
    )
    async with released_if_refused(transaction):
        file = await accept_upload(transaction, request.user, command)
        await transaction.flush()
    request.state.undo = incoming.undo
    return file


async def _terms(wanted: NewShare | None) -> Terms | None:
    """Before the body comes: nobody who has sent all of it is told that hashing is busy."""
    if wanted is None:
        return None
    password_hash = None if wanted.password is None else await passwords.hashed_as_given(wanted.password)
    return wanted.terms(password_hash)


async def _shared(
    transaction: AsyncSession, actor: Actor, settings: Settings, file: File, terms: Terms
) -> NewShareView:
    made = await share_file(transaction, actor, ShareFile(file_id=file.id, terms=terms))
    return NewShareView.of(made.share, made.recipients, token=made.token, url=share_url(settings, made.token))


def _accepted(view: AnyFileView) -> Response[AnyFileView]:
    return Response(view, headers={"Location": f"/v1/files/{view.id}"})


def _link(view: UploadedFileView, settings: Settings) -> Response[str]:
    """To the share, if there is one."""
    location = f"/v1/files/{view.id}"
    url = f"{settings.public_url}{location}" if view.share is UNSET else view.share.url
    return Response(f"{url}\n", media_type=MediaType.TEXT, headers={"Location": location})


ROUTES = (upload_file, put_file)
