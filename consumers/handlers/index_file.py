from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileAvailable
from domain.files.model import File


@consumes(FileAvailable, batched=True)
async def index_file(session: AsyncSession, event: FileAvailable) -> None:
    """Make the file findable by the words of its name, tags and metadata."""
    file = await session.get(File, event.file_id, with_for_update=True)
    if file is not None and file.is_available:
        file.index()
