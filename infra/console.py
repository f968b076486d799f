"""What commands print: tables for people, JSON for programs, and never a control character of somebody else's."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

WIDE = 2000


def printable(value: object) -> str:
    """Text from users, safe for a terminal: what could move the cursor or change colours is spelled out."""
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in str(value))


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table as wide as it needs to be; numbers to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    found = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(found) and all(isinstance(row[index], int | float | None) for row in found)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in found:
        table.add_row(*(Text("" if cell is None else printable(cell)) for cell in row))
    width = None if sys.stdout.isatty() else WIDE  # whoever reads a pipe wants all of it
    Console(highlight=False, width=width).print(table, soft_wrap=True)


@contextmanager
def progress(label: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing anywhere else; it is told how many so far."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task(label, total=total)
        yield lambda so_far: bars.update(bar, completed=so_far)


def since(seconds: float | None) -> str:
    """An age for people: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`."""
    if seconds is None:
        return ""
    for limit, divisor, unit in ((1, 0.001, "ms"), (120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def _is_harmless(character: str) -> bool:
    return not unicodedata.category(character).startswith("C") or character == "\u200d"
