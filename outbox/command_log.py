"""What clients asked for: a row for each command, so that asking twice does it once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base


class CommandRecord(Base):
    __tablename__ = "commands"
    __table_args__ = (
        Index(
            "uq_commands_actor_idempotency_key",
            "actor",
            "idempotency_key",
            unique=True,
            postgresql_where="idempotency_key IS NOT NULL",
        ),
        Index("ix_commands_recorded_at", "recorded_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    """Method and route, as in `POST /v1/uploads/{file_id}/complete`."""
    actor: Mapped[str] = mapped_column(Text)
    """An account's id, with `/` and the id of a service token of theirs, or `anonymous`, with `/` and
    the keyed hash of a client's address if there is a key: their keys never meet."""
    request_id: Mapped[str] = mapped_column(Text)
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Keyed with our own key: a body may hold a password."""
    status: Mapped[int] = mapped_column(SmallInteger)
    sealed_response: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted with our own key, kept only where it can be asked for again: it may hold tokens and URLs."""
    recorded_at: Mapped[datetime]
