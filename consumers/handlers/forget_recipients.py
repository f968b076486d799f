from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileDeleteRequested, FileExpired, FileRejected
from domain.shares.model import Share, ShareRecipient


@consumes(FileDeleteRequested, FileExpired, FileRejected, batched=True)
async def forget_recipients(session: AsyncSession, event: FileDeleteRequested | FileExpired | FileRejected) -> None:
    """Forget with whom a file was shared and what was written to them, once there is nothing to share any more."""
    shares = select(Share.id).where(Share.file_id == event.file_id)
    await session.execute(delete(ShareRecipient).where(ShareRecipient.share_id.in_(shares)))
    await session.execute(update(Share).where(Share.file_id == event.file_id).values(message=None))
