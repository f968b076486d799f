"""Ticks of the clock. They are nobody's change: the subject is the tick itself."""

from datetime import datetime
from uuid import UUID, uuid5

from domain.event import Event, event

STREAM = "waybill:schedule"
TICKS = UUID("6f1de0a6-5d0c-5b7e-9d0e-7a1c2d3e4f50")
"""Namespace of tick ids: two schedulers that announce the same hour make the same id, so one row."""


@event("expiry.due", stream=STREAM)
class ExpiryDue(Event):
    """Files whose time was over at `due_at` are to be expired; a tick with much to do goes on in further parts."""

    due_at: datetime
    part: int = 0

    @property
    def subject(self) -> UUID:
        return uuid5(TICKS, f"{self.type}@{self.due_at.isoformat()}")

    @property
    def tick_id(self) -> UUID:
        """The event's id: the same for whoever announces this tick."""
        return uuid5(self.subject, str(self.part))
