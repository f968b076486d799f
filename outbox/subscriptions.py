"""Which types each consumer has to handle, and since when: claims, retention and the operator's tools go by it.

It is stored, not read from code: while two versions of a worker run, the older one must not let go of what only the
newer one can handle; and what a consumer still has to handle is kept even while no worker of it runs.
"""

from collections.abc import Iterable

from sqlalchemy import BigInteger, Text, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from domain.aggregate import Base
from outbox.relay import SEQUENCING_LOCK


class Subscription(Base):
    __tablename__ = "subscriptions"

    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    since: Mapped[int] = mapped_column(BigInteger)
    """It owes nothing for events up to this position."""


LOCK = text(f"SELECT pg_advisory_xact_lock({SEQUENCING_LOCK})")
MISSING = text("""
SELECT EXISTS (
    SELECT FROM unnest(CAST(:types AS text[])) AS wanted (type)
    WHERE NOT EXISTS (SELECT FROM subscriptions s WHERE s.consumer = :consumer AND s.type = wanted.type)
)
""")
SUBSCRIBE = text("""
INSERT INTO subscriptions (consumer, type, since)
SELECT :consumer, wanted.type, CASE WHEN known.already THEN newest.position ELSE 0 END
FROM unnest(CAST(:types AS text[])) AS wanted (type),
    (SELECT EXISTS (SELECT FROM subscriptions WHERE consumer = :consumer) AS already) known,
    (SELECT coalesce(max(position), 0) AS position FROM outbox) newest
ON CONFLICT DO NOTHING
""")


async def subscribe(session: AsyncSession, consumer: str, types: Iterable[str]) -> None:
    """Write down that a consumer handles these types; what is written already stays as it is.

    A new consumer handles all that the outbox still has; a type that is new to a known one, what comes from now on.
    No position is given meanwhile, so an event is either before `since`, or claimed by somebody who knows of it.
    """
    values = {"consumer": consumer, "types": list(types)}
    if await session.scalar(MISSING, values):
        await session.execute(LOCK)
        await session.execute(SUBSCRIBE, values)
