"""What one can do to files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.quota import take_room
from domain.actor import Actor, Scope
from domain.errors import NotFound
from domain.files.errors import FileNotFound
from domain.files.model import File
from domain.files.promise import Place, Promise
from domain.leftovers.commands import claim_bytes


@dataclass(frozen=True, kw_only=True)
class StartUpload:
    """Bytes are promised, to come straight to S3; `default_quota` is what an account without its own may store."""

    promise: Promise
    place: Place
    default_quota: int


@dataclass(frozen=True, kw_only=True)
class AcceptUpload:
    """The bytes came through us and lie in S3 already; `received_sha256` is what we saw of them, in hex."""

    promise: Promise
    place: Place
    default_quota: int
    received_sha256: str


@dataclass(frozen=True, kw_only=True)
class CompleteUpload:
    file_id: UUID


@dataclass(frozen=True, kw_only=True)
class ProlongUpload:
    file_id: UUID
    until: datetime


@dataclass(frozen=True, kw_only=True)
class RestartUpload:
    """S3 knows nothing of `lost` any more; `upload_id` is a new one, without any part."""

    file_id: UUID
    lost: str
    upload_id: str


@dataclass(frozen=True, kw_only=True)
class AbortUpload:
    file_id: UUID


@dataclass(frozen=True, kw_only=True)
class UpdateFile:
    """`changes` go by the names of the contract; `versions` are those that may be changed, None stands for any."""

    file_id: UUID
    changes: Mapping[str, Any]
    versions: Collection[int] | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteFile:
    file_id: UUID
    versions: Collection[int] | None = None


async def start_upload(session: AsyncSession, actor: Actor, command: StartUpload) -> File:
    """Raises AccountClosed, QuotaExceeded."""
    file = await _promised(session, actor, command)
    session.add(file)
    return file


async def accept_upload(session: AsyncSession, actor: Actor, command: AcceptUpload) -> File:
    """Raises AccountClosed, QuotaExceeded, BytesTakenBack."""
    await claim_bytes(session, command.place.file_id)
    file = await _promised(session, actor, command)
    file.bytes_arrived(received_sha256=command.received_sha256)
    session.add(file)
    return file


async def complete_upload(session: AsyncSession, actor: Actor, command: CompleteUpload) -> File:
    """Changes nothing when done again, from another device or after a lost answer.

    Raises FileNotFound, FileGone, UploadNotPending, UploadExpired.
    """
    file = await own_file_locked(session, actor, command.file_id)
    if not (file.is_processing or file.is_available):
        file.bytes_arrived()
    return file


async def prolong_upload(session: AsyncSession, actor: Actor, command: ProlongUpload) -> File:
    """Raises FileNotFound, FileGone, UploadNotPending, UploadExpired."""
    file = await own_file_locked(session, actor, command.file_id)
    file.prolong_upload(command.until)
    return file


async def restart_upload(session: AsyncSession, actor: Actor, command: RestartUpload) -> File:
    """Whoever comes second keeps what the first has begun. Raises what `prolong_upload` does."""
    file = await own_file_locked(session, actor, command.file_id)
    file.restart_upload(command.upload_id, lost=command.lost)
    return file


async def abort_upload(session: AsyncSession, actor: Actor, command: AbortUpload) -> File:
    """Raises FileNotFound, UploadNotPending."""
    file = await own_file_locked(session, actor, command.file_id)
    file.abort_upload()
    return file


async def update_file(session: AsyncSession, actor: Actor, command: UpdateFile) -> File:
    """Raises FileNotFound, FileGone, FileNotReady, FileChanged."""
    file = await own_file_locked(session, actor, command.file_id)
    file.require_changeable()
    file.require_version(command.versions)
    file.update(command.changes)
    return file


async def delete_file(session: AsyncSession, actor: Actor, command: DeleteFile) -> File:
    """Raises FileNotFound, FileGone, FileChanged."""
    file = await own_file_locked(session, actor, command.file_id)
    file.require_existence()
    file.require_version(command.versions)
    file.delete()
    return file


async def _promised(session: AsyncSession, actor: Actor, command: StartUpload | AcceptUpload) -> File:
    """Of an account that stays open until the file is there: nobody's files are left behind."""
    owner_id = actor.with_scope(Scope.FILES_WRITE).account_id
    await take_room(session, owner_id, command.promise.size, default_quota=command.default_quota)
    return File.promised(command.promise, owner_id=owner_id, place=command.place)


async def own_file_locked(
    session: AsyncSession, actor: Actor, file_id: UUID, *, or_else: type[NotFound] = FileNotFound
) -> File:
    """The actor's file, locked: its events are then recorded in the order in which they happen. Raises `or_else`."""
    actor.with_scope(Scope.FILES_WRITE)
    file = await session.scalar(
        select(File).where(File.id == file_id).with_for_update().execution_options(populate_existing=True)
    )
    if file is None or not actor.owns(file.owner_id):
        raise or_else
    return file
