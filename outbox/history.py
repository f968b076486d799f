"""What has happened to a subject, as the streams tell it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from outbox.message import OutboxMessage


def history(subject: UUID, *, after: int = 0, limit: int) -> Select[Any]:
    """The sequenced events of a subject past a position, oldest first: rows for `cloud_event`."""
    return (
        select(*OutboxMessage.__table__.columns)
        .where(OutboxMessage.subject == subject, OutboxMessage.position > after)
        .order_by(OutboxMessage.position)
        .limit(limit)
    )
