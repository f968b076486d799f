from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileAvailable, FileDeleteRequested, FileExpired, FileRejected
from domain.files.model import File
from domain.files.promise import incoming_key
from infra.failpoints import failpoint
from infra.storage import Storage


@consumes(FileAvailable, FileRejected, FileExpired, FileDeleteRequested)
async def remove_objects(
    session: AsyncSession,
    event: FileAvailable | FileRejected | FileExpired | FileDeleteRequested,
    storage: Storage,
) -> None:
    """Remove the bytes that nobody may have any more. S3 forgives removing twice."""
    file = await session.get(File, event.file_id)
    if file is None:
        return
    session.expunge(file)
    await session.rollback()  # no connection is held while S3 works
    if file.upload_id is None and not file.came_through_us:
        await storage.delete(incoming_key(file.id))
    if not file.needs_no_bytes:
        return
    if file.upload_id is not None:
        await storage.abort_multipart(file.key, file.upload_id)
    await storage.delete(file.key)
    failpoint("remove.after_object")
    file = await session.get_one(File, event.file_id, with_for_update=True)
    file.object_removed()
