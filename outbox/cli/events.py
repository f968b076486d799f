"""`waybill events`."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import click
import msgspec

from infra.console import printable, show_json, show_table
from outbox.cli.bounds import PositionOrTime, selection_options, type_option
from outbox.cli.operator import Operator, operator_command
from outbox.envelope import structured_event
from outbox.events import past_events
from outbox.selection import Bound, Selection

TAIL_SECONDS = 0.2
CHUNK = 500


@click.group()
def events() -> None:
    """Look at what has happened, from the outbox: also what left Redis long ago."""


@events.command(name="list")
@selection_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@operator_command
async def list_(
    operator: Operator,
    type_: str | None,
    subject: UUID | None,
    after: Bound | None,
    before: Bound | None,
    limit: int,
) -> None:
    """List events, oldest first."""
    selection = Selection(type=type_, subject=subject, after=after, before=before)
    rows = await past_events(operator.sessions, selection, limit=limit)
    if operator.as_json:
        show_json([structured_event(row) for row in rows])
        return
    columns = ["position", "recorded", "type", "subject", "data"]
    show_table(columns, [_cells(row) for row in rows])


@events.command()
@type_option
@click.option("--subject", type=click.UUID, help="Only events of this file or account.")
@click.option("--after", type=PositionOrTime(), help="Begin after this; by default with what happens from now on.")
@operator_command
async def tail(operator: Operator, type_: str | None, subject: UUID | None, after: Bound | None) -> None:
    """Print events as they are published, one a line, until Ctrl-C. With --json, one JSON object a line."""
    cursor = 0 if after is not None else await _newest(operator)
    selection = Selection(type=type_, subject=subject, after=after)
    while True:
        rows = await past_events(operator.sessions, selection, limit=CHUNK, cursor=cursor)
        _print(rows, as_json=operator.as_json)
        if rows:
            cursor = rows[-1]["position"]
        else:
            await asyncio.sleep(TAIL_SECONDS)


async def _newest(operator: Operator) -> int:
    rows = await past_events(operator.sessions, Selection(), limit=1, newest_first=True)
    return rows[0]["position"] if rows else 0


def _print(rows: Sequence[Any], *, as_json: bool) -> None:
    for row in rows:
        line = msgspec.json.encode(structured_event(row)).decode() if as_json else "  ".join(map(str, _cells(row)))
        click.echo(line)


def _cells(row: Any) -> tuple[Any, ...]:
    recorded = f"{row['recorded_at']:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return (row["position"], recorded, row["type"], row["subject"], printable(row["data"]))
