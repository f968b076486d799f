from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileDeleteRequested, FileExpired, FileRejected
from domain.files.model import File
from domain.files.promise import incoming_key
from infra.storage import Storage


@consumes(FileRejected, FileExpired, FileDeleteRequested)
async def remove_objects(
    session: AsyncSession, event: FileRejected | FileExpired | FileDeleteRequested, storage: Storage
) -> None:
    """Remove the bytes that nobody may have any more. S3 forgives removing twice."""
    file = await session.get(File, event.file_id)
    if file is None or not file.needs_no_bytes:
        return
    key, upload_id = file.key, file.upload_id
    await session.rollback()  # no connection is held while S3 works
    if upload_id is not None:
        await storage.abort_multipart(key, upload_id)
    await storage.delete(incoming_key(event.file_id))
    await storage.delete(key)
    await session.refresh(file, with_for_update=True)
    file.object_removed()
