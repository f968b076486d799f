import hashlib

from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.aggregate import new_id
from domain.files.events import FileUploaded
from domain.files.finalization import Measured, verdict
from domain.files.model import File
from domain.files.promise import object_key
from infra.failpoints import failpoint
from infra.settings import Settings
from infra.storage import ObjectMissing, Storage, StorageError

HEAD_BYTES = 8192
"""Enough to tell a file's type by."""


@consumes(FileUploaded)
async def finalize_upload(session: AsyncSession, event: FileUploaded, storage: Storage, settings: Settings) -> None:
    """Bring the bytes together, measure them, and hold them against what was promised."""
    file = await session.get(File, event.file_id)
    if file is None or not (file.is_processing or file.needs_no_bytes):
        return
    session.expunge(file)
    await session.rollback()  # no connection is held while S3 works, however big the file
    if file.needs_no_bytes:  # deleted meanwhile: perhaps after an attempt of ours had made its object
        await storage.delete(file.key)
        return
    measured = await _measured(file, storage)
    failpoint("finalize.after_object")
    file = await session.get_one(File, event.file_id, with_for_update=True)
    if file.is_processing:
        file.moved_to(measured.key if measured else file.key)
        verdict(file, measured, max_size=settings.max_file_size, allowed_types=settings.allowed_types)
    elif measured is not None:
        await _forget(session, storage, measured.key, file)


async def _measured(file: File, storage: Storage) -> Measured | None:
    """What S3 really holds; None where it holds nothing."""
    try:
        if file.upload_id is not None:
            return await _completed(file, file.upload_id, storage)
        return await _measure(file, await _out_of_reach(file, storage), storage)
    except ObjectMissing as missing:
        await storage.ping()  # a bucket that is away says the same of every object
        if file.received_sha256 is not None:
            raise StorageError("bytes that were written by us are not there") from missing
        return None


async def _out_of_reach(file: File, storage: Storage) -> str:
    """The key of a copy that no client can write, unless the size alone breaks the promise already."""
    if not file.is_within_reach or await storage.size(file.key) != file.size:
        return file.key
    key = object_key(file.id, attempt=new_id())  # a slow attempt never overwrites what another one has verified
    await storage.copy(file.key, key)
    return key


async def _completed(file: File, upload_id: str, storage: Storage) -> Measured:
    """Complete a multipart upload from what S3 lists; one that has ended was completed before, or aborted."""
    try:
        parts = await storage.parts(file.key, upload_id)
        total = sum(part.size for part in parts)
        if parts and total != file.size:
            return Measured(key=file.key, size=total)
        if parts:
            await storage.complete_multipart(file.key, upload_id, parts)
    except ObjectMissing:
        await storage.size(file.key)
    return await _measure(file, file.key, storage)


async def _measure(file: File, key: str, storage: Storage) -> Measured:
    """Read the bytes once; where they passed through us and were hashed then, only their beginning."""
    size = await storage.size(key)
    if size != file.size:
        return Measured(key=key, size=size)
    if file.received_sha256 is not None:
        head = await storage.read_start(key, HEAD_BYTES) if size else b""
        return Measured(key=key, size=size, sha256=file.received_sha256, head=head)
    digest, head = hashlib.sha256(), b""
    async for chunk in storage.read(key):
        head = head or chunk[:HEAD_BYTES]
        digest.update(chunk)
    return Measured(key=key, size=size, sha256=digest.hexdigest(), head=head)


async def _forget(session: AsyncSession, storage: Storage, key: str, file: File) -> None:
    """Remove what this attempt made, where another one was quicker or the file was deleted meanwhile."""
    is_ours_alone = key != file.key or file.needs_no_bytes
    await session.rollback()
    if is_ours_alone:
        await storage.delete(key)
