"""What the clock announces. Each tick is one event with an id made of its hour: announcing it twice changes nothing."""

from datetime import datetime

from domain.aggregate import now
from domain.schedule.events import ExpiryDue
from outbox.session import Sessions, announce_once


async def announce_expiry(sessions: Sessions) -> bool:
    """Say that files whose time is over are to be expired. Returns whether nobody had said so for this hour."""
    tick = ExpiryDue(due_at=hour_of(now()))
    async with sessions.begin() as session:
        return await announce_once(session, tick, event_id=tick.tick_id)


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
