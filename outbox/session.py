"""The only sessions there are: what an aggregate recorded is stored in the transaction that saves the aggregate."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

import outbox.tables  # noqa: F401 - a session must know every table, since they refer to each other
from domain.aggregate import Aggregate
from domain.cause import cause
from domain.event import Event
from outbox.message import OutboxMessage

Sessions = async_sessionmaker[AsyncSession]


class OutboxSession(Session):
    """Stores events beside the change they tell of, so that neither is ever without the other."""


@listens_for(OutboxSession, "before_flush")
def _store_events(session: Session, *_: object) -> None:
    for aggregate in _aggregates(session):
        for event, traceparent in aggregate.take_recorded():
            session.add(message := OutboxMessage.carrying(event, traceparent=traceparent))
            session.info.setdefault("events", []).append(message.event_id)


@listens_for(Aggregate, "expire", propagate=True)
def _forget_events(aggregate: Aggregate | None, *_: object) -> None:
    """What was rolled back has not happened. None is what nobody refers to any more, with its events."""
    if aggregate is not None:
        aggregate.take_events()


def _aggregates(session: Session) -> Iterable[Aggregate]:
    return [each for each in (*session.new, *session.dirty, *session.deleted) if isinstance(each, Aggregate)]


async def announce_once(session: AsyncSession, event: Event, *, event_id: UUID) -> bool:
    """Store an event that belongs to no aggregate, unless one with this id is there. Returns whether it was not."""
    values = OutboxMessage.carrying(event, event_id=event_id, traceparent=cause()).columns()
    once = insert(OutboxMessage).values(values).on_conflict_do_nothing(index_elements=["event_id"])
    return (await session.execute(once.returning(OutboxMessage.event_id))).first() is not None


def session_factory(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, sync_session_class=OutboxSession, expire_on_commit=False)
