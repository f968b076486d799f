"""What a step of the demo comes to: it held, or it did not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


class DemoFailed(Exception):
    """Something did not hold; the text is one line that says what was seen."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a file, and its place in the order of everything that has happened."""

    position: int
    type: str
    time: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What there is to say of a step that held."""

    remark: str = ""
    events: Sequence[Event] = ()
