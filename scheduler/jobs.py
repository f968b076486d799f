"""What the clock announces. Each tick is one event with an id made of its time: announcing it twice changes nothing."""

from datetime import datetime

from domain.aggregate import now
from domain.schedule.events import ExpiryDue, RetentionDue, Tick
from outbox.session import Sessions, announce_once


async def announce_expiry(sessions: Sessions) -> bool:
    """Say that files whose time is over are to be expired. Returns whether nobody had said so for this hour."""
    return await _announce(sessions, ExpiryDue(due_at=hour_of(now())))


async def announce_retention(sessions: Sessions) -> bool:
    """Say that what is too old is to be forgotten. Returns whether nobody had said so for this day."""
    return await _announce(sessions, RetentionDue(due_at=day_of(now())))


async def _announce(sessions: Sessions, tick: Tick) -> bool:
    async with sessions.begin() as session:
        return await announce_once(session, tick, event_id=tick.tick_id)


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    return hour_of(moment).replace(hour=0)
