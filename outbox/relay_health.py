"""What a relay has done, and whether it can go on."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from infra.health import WELL, Check, told

STALE_SECONDS = 10.0
"""A step that takes longer hangs, whatever it hangs on."""
PARTS = ("postgres", "redis", "streams")


@dataclass
class Tally:
    """Figures that only grow."""

    batches: int = 0
    """Appends that were made."""
    entries: int = 0
    """What two relays append at the same moment counts for both; the stream has it once."""
    failures: int = 0
    """How often Postgres or Redis was away."""
    conflicts: Counter[str] = field(default_factory=Counter)
    """By stream: how often it ended elsewhere than believed."""


class RelayHealth:
    """A relay is not ready before its first step has succeeded."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._wrong = {part: Check(ok=False, error="not asked yet", since=datetime.now(UTC)) for part in PARTS}
        self._last_step = time.monotonic()

    def works(self) -> None:
        """A step has succeeded: whatever was wrong is well again."""
        self._wrong.clear()
        self._last_step = time.monotonic()

    def fails(self, part: str, error: Exception) -> None:
        """Something is wrong with this part; it may have been so for a while."""
        self.tally.failures += 1
        known = self._wrong.get(part)
        self._wrong[part] = Check(ok=False, error=told(error), since=known.since if known else datetime.now(UTC))

    async def checks(self) -> Mapping[str, Check]:
        found = {part: self._wrong.get(part, WELL) for part in PARTS}
        silence = time.monotonic() - self._last_step
        if not self._wrong and silence > STALE_SECONDS:
            found["streams"] = Check(ok=False, error=f"the last step ended {silence:.0f} s ago")
        return found
