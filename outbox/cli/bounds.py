"""What the command line says of past events: types, subjects, positions and times."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from outbox.cli.completion import event_types
from outbox.selection import Bound


class PositionOrTime(click.ParamType[Bound]):
    """`4711`, or `2026-11-22T12:00:00Z`; a time without a zone is UTC."""

    name = "position|time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bound:
        if isinstance(value, int | datetime):
            return value
        try:
            if value.isdecimal():
                return int(value)
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is neither a position nor a time like 2026-11-22T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


type_option = click.option(
    "--type", "type_", metavar="GLOB", shell_complete=event_types, help="Only types like this, for example 'file.*'."
)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--type`, `--subject`, `--after`, `--before`."""
    for option in (
        click.option("--before", type=PositionOrTime(), help="Only events before this."),
        click.option("--after", type=PositionOrTime(), help="Only events after this."),
        click.option("--subject", type=click.UUID, help="Only events of this file or account."),
        type_option,
    ):
        command = option(command)
    return command
