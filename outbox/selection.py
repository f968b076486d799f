"""Which past events are meant: by type, subject, and a range of positions or times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from infra.glob import like

Bound = int | datetime
"""A position, or a time."""

CHOSEN = """
position IS NOT NULL
AND (CAST(:type AS text) IS NULL OR type LIKE :type)
AND (CAST(:types AS text[]) IS NULL OR type = ANY(:types))
AND (CAST(:subject AS uuid) IS NULL OR subject = :subject)
AND position > :after_position AND position < :before_position
AND (CAST(:after_time AS timestamptz) IS NULL OR recorded_at > :after_time)
AND (CAST(:before_time AS timestamptz) IS NULL OR recorded_at < :before_time)
"""
"""Over `outbox`; a bound itself is not within it."""
LAST_POSITION = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Selection:
    type: str | None = None
    """A glob, as in `file.*`."""
    types: Sequence[str] | None = None
    """Only these: what a consumer handles."""
    subject: UUID | None = None
    after: Bound | None = None
    before: Bound | None = None

    def values(self, *, cursor: int = 0) -> dict[str, Any]:
        """Parameters of CHOSEN; `cursor` is the position up to which it has been done."""
        after = self.after if isinstance(self.after, int) else 0
        return {
            "type": like(self.type),
            "types": None if self.types is None else list(self.types),
            "subject": self.subject,
            "after_position": max(after, cursor),
            "before_position": self.before if isinstance(self.before, int) else LAST_POSITION,
            "after_time": self.after if isinstance(self.after, datetime) else None,
            "before_time": self.before if isinstance(self.before, datetime) else None,
        }

    def described(self) -> dict[str, Any]:
        """For the record: what was asked, without what was not."""
        asked = {"type": self.type, "subject": self.subject, "after": self.after, "before": self.before}
        return {
            name: value if isinstance(value, int) else str(value) for name, value in asked.items() if value is not None
        }
