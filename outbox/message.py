"""An event as a row of the outbox."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Computed, Identity, Index, Text, cast, type_coerce
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from domain.aggregate import Base, new_id, now
from domain.event import Event

OWNER = "coalesce(data ->> 'owner_id', data ->> 'account_id')::uuid"


class RawJson(UserDefinedType[str]):
    """A json column, read and written as the text that it holds: subscribers get the bytes that were committed."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Read it as text: the driver would parse it."""
        return type_coerce(cast(column, Text), self)


class OutboxMessage(Base):
    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_unsequenced", "id", postgresql_where="position IS NULL"),
        Index("ix_outbox_stream_position", "stream", "position"),
        Index("ix_outbox_subject_position", "subject", "position"),
        Index("ix_outbox_owner_id_position", "owner_id", "position"),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    """The order in which rows were written; not a position: transactions commit in another order, or not at all."""
    position: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    """Its place in the world's order, given by a relay after the commit; null until then."""
    stream: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    subject: Mapped[UUID]
    data: Mapped[str] = mapped_column(RawJson)
    traceparent: Mapped[str | None] = mapped_column(Text)
    recorded_at: Mapped[datetime]
    owner_id: Mapped[UUID | None] = mapped_column(Computed(OWNER, persisted=True))
    """The account that it concerns; null for what concerns nobody alone, as the clock's ticks."""

    def columns(self) -> dict[str, Any]:
        """For an INSERT that must know of conflicts; `id` and `position` are given by others."""
        given = {"event_id", "stream", "type", "subject", "data", "traceparent", "recorded_at"}
        return {name: getattr(self, name) for name in given}

    @classmethod
    def carrying(cls, event: Event, *, event_id: UUID | None = None, traceparent: str | None = None) -> Self:
        return cls(
            event_id=event_id or new_id(),
            stream=event.stream,
            type=event.type,
            subject=event.subject,
            data=event.to_json().decode(),
            traceparent=traceparent,
            recorded_at=now(),
        )
