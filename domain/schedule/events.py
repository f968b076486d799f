"""Ticks of the clock. They are nobody's change: the subject is the tick itself."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from domain.event import Event, event

STREAM = "waybill:schedule"
TICKS = UUID("6f1de0a6-5d0c-5b7e-9d0e-7a1c2d3e4f50")
"""Namespace of tick ids: two schedulers that announce the same hour make the same id, so one row."""


@dataclass(frozen=True, kw_only=True)
class Tick(Event):
    """What every tick says."""

    due_at: datetime
    """The time of the clock that it is for."""
    part: int = 0
    """0 for the tick itself; further ones go on with what one transaction could not do."""

    @property
    def subject(self) -> UUID:
        return uuid5(TICKS, f"{self.type}@{self.due_at.isoformat()}")

    @property
    def tick_id(self) -> UUID:
        """The event's id: the same for whoever announces this tick."""
        return uuid5(self.subject, str(self.part))


@event("expiry.due", stream=STREAM)
class ExpiryDue(Tick):
    """Files whose time was over at `due_at` are to be expired."""


@event("uploads.cleanup_due", stream=STREAM)
class UploadsCleanupDue(Tick):
    """Uploads whose time was over at `due_at` are to be ended."""


@event("retention.due", stream=STREAM)
class RetentionDue(Tick):
    """What was too old at `due_at` is to be forgotten, but nothing that somebody has not finished."""

    trimmed: int = 0
    """The position up to which the streams agree with the outbox already."""
    cursor: int = 0
    """The position up to which the outbox has been pruned."""


@event("reconciliation.due", stream=STREAM)
class ReconciliationDue(Tick):
    """The bytes in S3 and the rows that know of them are to be compared, and what disagrees repaired."""

    after: str = ""
    """The key up to which that is done."""
