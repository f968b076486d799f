"""The table at the end: what each scenario did, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.hits import NAMES, totals
from tests.chaos.ledger import Ledger
from tests.chaos.verdict import Verdict

HEAD = (
    *("scenario", "seed", "commands", "per s", "asked again", "slowest s", "events", "faults", "lost", "doubled"),
    *("out of order", "effects twice", "stranded", "orphans"),
)


@dataclass(frozen=True)
class Line:
    scenario: str
    seed: int
    faults: int
    ledger: Ledger
    verdict: Verdict

    @property
    def cells(self) -> tuple[str, ...]:
        told, found = self.ledger, self.verdict
        again = sum(told.troubles.values())
        asked = (str(told.answered), f"{told.rate:.0f}", str(again), f"{told.slowest:.1f}")
        counts = (found.lost, found.doubled, found.out_of_order, found.twice, found.stranded, found.orphans)
        return (self.scenario, str(self.seed), *asked, *map(str, (found.events, self.faults, *counts)))


LINES: list[Line] = []
HITS: set[Path] = set()
"""Directories in which processes have kept their counts."""


def table() -> Iterator[str]:
    rows = [HEAD, *(line.cells for line in LINES)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([row[0].ljust(widths[0]), *cells])


def failpoints() -> Iterator[str]:
    counts = [totals(directory) for directory in HITS]
    for name in NAMES:
        reached, struck = (sum(each[name][i] for each in counts) for i in (0, 1))
        yield f"{name:<30} reached {reached:>7}   ended or failed there {struck:>4}"
