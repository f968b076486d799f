"""What clients were told: every file that they know of, and everything that should not have been answered."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Known:
    """A file as its client knows it; `sha256` is None where no byte of it was ever sent."""

    file_id: str
    size: int
    sha256: str | None = None
    is_deleted: bool = False


@dataclass
class Ledger:
    files: dict[str, Known] = field(default_factory=dict)
    answered: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    """Answers that made a client ask again, by status; `transport` where there was none."""
    flaws: list[str] = field(default_factory=list)
    """What no fault excuses."""
    seconds: float = 0
    slowest: float = 0

    @property
    def rate(self) -> float:
        """Commands answered per second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def answer(self, took: float) -> None:
        self.answered += 1
        self.slowest = max(self.slowest, took)
