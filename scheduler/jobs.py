"""What the clock announces. Each tick is one event with an id made of its time: announcing it twice changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.aggregate import now
from domain.schedule.events import STREAM, ExpiryDue, ReconciliationDue, RetentionDue, Tick, UploadsCleanupDue
from outbox.message import OutboxMessage
from outbox.session import Sessions, announce_once


@dataclass(frozen=True)
class Job:
    """A kind of tick: when it begins, how long until the next, and how late one that was missed is still announced."""

    tick: type[Tick]
    begin: Callable[[datetime], datetime]
    every: timedelta
    caught_up: timedelta = timedelta(0)

    @property
    def name(self) -> str:
        return self.tick.type


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    return hour_of(moment).replace(hour=0)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = (
    Job(ExpiryDue, hour_of, HOUR, caught_up=DAY),
    Job(UploadsCleanupDue, hour_of, HOUR, caught_up=DAY),
)
# One of these does the work of all the days before it.
DAILY = (Job(RetentionDue, day_of, DAY), Job(ReconciliationDue, day_of, DAY))


async def announce(sessions: Sessions, job: Job) -> int:
    """Say that this is due, for now and for what was missed. Returns how many ticks nobody had announced before."""
    async with sessions.begin() as session:
        current = job.begin(now())
        last = await _last(session, job.tick)
        new = [await _announced(session, job.tick(due_at=due_at)) for due_at in _missed(job, last, current)]
    return sum(new)


def _missed(job: Job, last: datetime | None, current: datetime) -> Iterator[datetime]:
    """From the tick after the last one that was announced, but from not too long ago, to the current one."""
    moment = current if last is None else max(last + job.every, current - job.caught_up)
    while moment < current:
        yield moment
        moment += job.every
    yield current


async def _last(session: AsyncSession, tick: type[Tick]) -> datetime | None:
    """When the newest tick of this type was due; one that no relay has seen yet is the newest."""
    found = select(OutboxMessage.data).where(OutboxMessage.stream == STREAM, OutboxMessage.type == tick.type)
    data = await session.scalar(found.order_by(OutboxMessage.position.desc()).limit(1))
    read = tick.from_json(data) if data is not None else None
    return read.due_at if isinstance(read, Tick) else None


async def _announced(session: AsyncSession, tick: Tick) -> bool:
    return await announce_once(session, tick, event_id=tick.tick_id)
