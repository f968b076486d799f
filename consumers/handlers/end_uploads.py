from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.model import File, Status
from domain.schedule.events import UploadsCleanupDue
from outbox.session import announce_once

BATCH = 500
"""Uploads per transaction: what is left is the next part of the tick."""
GRACE = timedelta(hours=1)
"""A part that was begun just before its URL ended may still be on its way."""


@consumes(UploadsCleanupDue)
async def end_uploads(session: AsyncSession, event: UploadsCleanupDue) -> None:
    """End the uploads that nobody completed in time; what S3 has of them goes as the bytes of any file that expires.

    One that is being completed or prolonged at this moment is locked, and so passed over.
    """
    over = select(File).where(File.status == Status.PENDING, File.upload_expires_at <= event.due_at - GRACE)
    oldest = over.order_by(File.upload_expires_at).limit(BATCH)
    batch = (await session.scalars(oldest.with_for_update(skip_locked=True))).all()
    for file in batch:
        file.abandon_upload()
    if len(batch) == BATCH:
        rest = replace(event, part=event.part + 1)
        await announce_once(session, rest, event_id=rest.tick_id)
