"""What the clock announces. Each tick is one event with an id made of its hour: announcing it twice changes nothing."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert

from domain.aggregate import now
from domain.schedule.events import ExpiryDue
from outbox.message import OutboxMessage
from outbox.session import Sessions


async def announce_expiry(sessions: Sessions) -> bool:
    """Say that files whose time is over are to be expired. Returns whether nobody had said so for this hour."""
    tick = ExpiryDue(due_at=hour_of(now()))
    message = OutboxMessage.carrying(tick, event_id=tick.tick_id)
    once = insert(OutboxMessage).values(message.columns()).on_conflict_do_nothing(index_elements=["event_id"])
    async with sessions.begin() as session:
        result = await session.execute(once.returning(OutboxMessage.event_id))
        return result.first() is not None


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
