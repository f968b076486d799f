from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileAvailable, FileUpdated
from domain.files.model import File


@consumes(FileAvailable, FileUpdated, batched=True)
async def index_file(session: AsyncSession, event: FileAvailable | FileUpdated) -> None:
    """Make the file findable by the words of its name, tags and metadata."""
    file = await session.get(File, event.file_id, with_for_update=True)
    if file is not None and file.is_available:
        file.index()
