"""How often each failpoint was reached, and how often a process ended there: counts that outlive their process."""

import mmap
from pathlib import Path

from infra.failpoints import FAILPOINTS

NAMES = tuple(FAILPOINTS)
COUNTS = 2
"""Of each failpoint: reached, and ended or failed there."""
SIZE = 8 * COUNTS * len(NAMES)


class Hits:
    """The counts of one process, in a file that is mapped into its memory: `kill -9` loses none of them."""

    def __init__(self, path: Path) -> None:
        """Raises FileExistsError."""
        with path.open("xb") as file:
            file.truncate(SIZE)
        with path.open("r+b") as file:
            self._counts = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("Q")

    def reached(self, name: str) -> None:
        self._counts[COUNTS * NAMES.index(name)] += 1

    def struck(self, name: str) -> None:
        self._counts[COUNTS * NAMES.index(name) + 1] += 1


def totals(directory: Path) -> dict[str, tuple[int, int]]:
    """Of all processes that kept their counts there: how often each failpoint was reached, and struck."""
    read = [path.read_bytes() for path in directory.iterdir()]
    files = [memoryview(counts).cast("Q") for counts in read if len(counts) == SIZE]  # one is empty while it is made
    sums = [sum(counts) for counts in zip(*files, strict=True)] or [0] * COUNTS * len(NAMES)
    return {name: (sums[COUNTS * i], sums[COUNTS * i + 1]) for i, name in enumerate(NAMES)}
