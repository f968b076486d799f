"""What commands print: tables for people, JSON for programs, and never a control character of somebody else's."""

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
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
