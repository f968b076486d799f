import hashlib

from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileUploaded
from domain.files.finalization import Measured, verdict
from domain.files.model import File
from domain.files.promise import incoming_key, object_key
from infra.settings import Settings
from infra.storage import ObjectMissing, Storage

HEAD_BYTES = 8192
"""Enough to tell a file's type by."""


@consumes(FileUploaded)
async def finalize_upload(session: AsyncSession, event: FileUploaded, storage: Storage, settings: Settings) -> None:
    """Bring the bytes together, measure them, and hold them against what was promised."""
    file = await session.get(File, event.file_id)
    if file is None or not file.is_processing:
        return
    session.expunge(file)
    await session.rollback()  # no connection is held while S3 works, however big the file
    measured = await _measured(file, storage)
    file = await session.get_one(File, event.file_id, with_for_update=True)
    if file.needs_no_bytes:  # deleted meanwhile, perhaps before we brought its bytes together
        await session.rollback()
        await storage.delete(object_key(event.file_id))
    elif file.is_processing:
        verdict(file, measured, max_size=settings.max_file_size, allowed_types=settings.allowed_types)


async def _measured(file: File, storage: Storage) -> Measured | None:
    """What S3 really holds; None where it holds nothing."""
    try:
        await _bring_together(file, storage)
        return await _measure(file, storage)
    except ObjectMissing:
        return None


async def _bring_together(file: File, storage: Storage) -> None:
    """Make one object of what arrived, out of the client's reach. Safe to do again after a crash at any point."""
    if file.upload_id is not None:
        await _complete(file, file.upload_id, storage)
    elif file.received_sha256 is None:
        try:
            await storage.copy(incoming_key(file.id), file.key)
            await storage.delete(incoming_key(file.id))
        except ObjectMissing:
            await storage.size(file.key)  # moved already, or never there: then this raises


async def _complete(file: File, upload_id: str, storage: Storage) -> None:
    """Complete a multipart upload from what S3 lists; one that has ended was completed before, or aborted."""
    try:
        parts = await storage.parts(file.key, upload_id)
        if parts:
            await storage.complete_multipart(file.key, upload_id, parts)
    except ObjectMissing:
        await storage.size(file.key)


async def _measure(file: File, storage: Storage) -> Measured:
    """Read the bytes once; where they passed through us and were hashed then, only their beginning."""
    size = await storage.size(file.key)
    if file.received_sha256 is not None:
        head = await storage.read_start(file.key, HEAD_BYTES) if size else b""
        return Measured(size=size, sha256=file.received_sha256, head=head)
    digest, head = hashlib.sha256(), b""
    async for chunk in storage.read(file.key):
        head = head or chunk[:HEAD_BYTES]
        digest.update(chunk)
    return Measured(size=size, sha256=digest.hexdigest(), head=head)
