from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.aggregate import now
from domain.files.model import File, Status
from domain.schedule.events import ExpiryDue
from outbox.session import announce_once

AHEAD = timedelta(hours=24)
BATCH = 500
"""Files per transaction: what is left is the next part of the tick, be it announced by us or by `expire_files`."""


@consumes(ExpiryDue, concurrency=1)
async def warn_of_expiry(session: AsyncSession, event: ExpiryDue) -> None:
    """Tell of files whose time is over within a day, once for each end that their time is given."""
    soon = select(File).where(
        File.status == Status.AVAILABLE,
        File.expires_at <= event.due_at + AHEAD,
        File.expires_at > now(),
        File.warned_for.is_distinct_from(File.expires_at),
    )
    batch = (await session.scalars(soon.order_by(File.expires_at).limit(BATCH).with_for_update(skip_locked=True))).all()
    for file in batch:
        file.warn()
    if len(batch) == BATCH:
        rest = replace(event, part=event.part + 1)
        await announce_once(session, rest, event_id=rest.tick_id)
