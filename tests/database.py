"""What tests ask of the database: save this, what was recorded, what is in this table."""

from collections.abc import Sequence
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.aggregate import Aggregate
from domain.catalogue import CATALOGUE
from domain.event import Event
from infra.database import create_engine
from migrations.command import alembic_config
from outbox.message import OutboxMessage
from outbox.session import session_factory

AnAggregate = TypeVar("AnAggregate", bound=Aggregate)


async def migrate(url: str) -> None:
    """Bring this database to the newest schema."""
    from alembic import command  # noqa: PLC0415 - slow to import, and not every run needs it

    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    await engine.dispose()


class Database:
    def __init__(self, url: str, engine: AsyncEngine) -> None:
        self.url = url
        self.engine = engine
        self.sessions = session_factory(engine)

    async def save(self, aggregate: AnAggregate) -> AnAggregate:
        """Store it with whatever it recorded."""
        async with self.sessions.begin() as session:
            session.add(aggregate)
        return aggregate

    async def get(self, aggregate: AnAggregate) -> AnAggregate:
        """As it is in the database now."""
        async with self.sessions() as session:
            return await session.get_one(type(aggregate), aggregate.id)  # type: ignore[attr-defined]

    async def record(self, *events: Event) -> list[OutboxMessage]:
        """Commit events that belong to no aggregate."""
        messages = [OutboxMessage.carrying(event) for event in events]
        async with self.sessions.begin() as session:
            session.add_all(messages)
        return messages

    async def recorded(self) -> list[Event]:
        """Every event in the outbox, in the order in which they were written."""
        async with self.sessions() as session:
            rows = await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
            return [CATALOGUE[row.type].from_json(row.data) for row in rows]

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.engine.connect() as connection:
            return (await connection.execute(text(statement), values)).all()

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.url)

    def session(self) -> AsyncSession:
        return self.sessions()
