from dataclasses import replace
from datetime import timedelta
from time import monotonic

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.reconciliation.comparing import Comparison
from consumers.reconciliation.repairing import Repair, TooMuchMissing
from consumers.subscription import Unmendable, consumes
from domain.leftovers.commands import forget_leftovers
from domain.schedule.events import ReconciliationDue
from infra.settings import Settings
from infra.storage import Storage
from outbox.session import Sessions, announce_once

PART_SECONDS = 10.0
"""For the pages of one part of the tick: what is done need not be done again after a crash."""

log = structlog.get_logger(__name__)


@consumes(ReconciliationDue, concurrency=1)
async def reconcile_storage(
    session: AsyncSession, event: ReconciliationDue, sessions: Sessions, storage: Storage, settings: Settings
) -> None:
    """Compare for a while what S3 holds with what rows know, and repair it: what is left is the tick's next part."""
    await session.rollback()  # no connection is held while S3 works
    began = monotonic()
    comparison = Comparison(sessions, storage)
    repair = Repair.of(comparison)
    async for page in comparison.pages(event.after):
        try:
            repaired = await repair.page(page)
        except TooMuchMissing as reason:
            raise Unmendable(str(reason)) from None
        if page.findings:
            log.warning("reconciliation.repaired", after=event.after, found=len(page.findings), repaired=dict(repaired))
        if page.after is not None and monotonic() - began > PART_SECONDS:
            rest = replace(event, part=event.part + 1, after=page.after)
            await announce_once(session, rest, event_id=rest.tick_id)
            return
    await repair.resume()
    await forget_leftovers(session, before=event.due_at - timedelta(days=settings.retention_days))
