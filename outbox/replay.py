"""A replay as a row: who asked for which past events to be handled again, when and why, and how far it is."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base


class ReplayState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class Replay(Base):
    __tablename__ = "replays"
    __table_args__ = (CheckConstraint("state IN ('running', 'done', 'cancelled')", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    consumer: Mapped[str | None] = mapped_column(Text)
    to_stream: Mapped[str | None] = mapped_column(Text)
    selection: Mapped[dict[str, Any]] = mapped_column(JSONB)
    requested_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    total: Mapped[int] = mapped_column(BigInteger)
    """How many events were chosen when it began."""
    replayed: Mapped[int] = mapped_column(BigInteger)
    cursor: Mapped[int] = mapped_column(BigInteger)
    """The position up to which it has been done."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
