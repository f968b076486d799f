"""An aggregate remembers what happened to it until the session that saves it stores that too."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import DateTime, MetaData, Text, Uuid
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.attributes import flag_dirty

from domain.cause import cause
from domain.event import Event


class Base(AsyncAttrs, DeclarativeBase):
    """Every table of ours. Constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True), UUID: Uuid(), str: Text()}  # noqa: RUF012 - SQLAlchemy's own protocol


class Aggregate(Base):
    """A mapped class whose changes are told by events."""

    __abstract__ = True

    def record(self, event: Event) -> None:
        """Tell what has just happened. The event is stored in the transaction that saves this aggregate."""
        self.__dict__.setdefault("_recorded", []).append((event, cause()))
        flag_dirty(self)  # the session looks only at what it believes changed; an event may change no column

    def take_events(self) -> list[Event]:
        """What was recorded since the last call, oldest first."""
        return [event for event, _ in self.take_recorded()]

    def take_recorded(self) -> list[tuple[Event, str | None]]:
        """The same, each with its cause."""
        recorded: list[Any] = self.__dict__.pop("_recorded", [])
        return recorded


def new_id() -> UUID:
    """A UUIDv7: its first 48 bits are the time in ms, so that keys made later sort later."""
    return uuid_utils.compat.uuid7()


def now() -> datetime:
    return datetime.now(UTC)
