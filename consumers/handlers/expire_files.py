from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.model import File, Status
from domain.schedule.events import ExpiryDue
from outbox.session import announce_once

BATCH = 500
"""Files per transaction: what is left is the next part of the tick."""


@consumes(ExpiryDue)
async def expire_files(session: AsyncSession, event: ExpiryDue) -> None:
    """Expire what was over when the tick was announced, a batch at a time."""
    over = select(File).where(File.status == Status.AVAILABLE, File.expires_at <= event.due_at)
    batch = (await session.scalars(over.order_by(File.expires_at).limit(BATCH).with_for_update(skip_locked=True))).all()
    for file in batch:
        file.expire()
    if len(batch) == BATCH:
        rest = replace(event, part=event.part + 1)
        await announce_once(session, rest, event_id=rest.tick_id)
