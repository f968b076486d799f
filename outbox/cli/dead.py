"""`waybill dead`."""

import getpass
from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from infra.console import printable, progress, show_json, show_table
from outbox.cli.completion import consumers, event_types
from outbox.cli.operator import Operator, operator_command
from outbox.dead_letters import DeadLetter, Which, details, discard, found, groups, redrive

SHOWN = 20


class EventName(click.ParamType[str]):
    """A position, or an event's id."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(int(value)) if value.isdecimal() else str(UUID(value))
        except ValueError:
            self.fail(f"{value} is neither a position nor an event's id", param, ctx)


def which_options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--consumer", metavar="NAME", shell_complete=consumers, help="Of this consumer.")(command)
    help_ = "Of types like this, for example 'file.*'."
    command = click.option("--type", "type_", metavar="GLOB", shell_complete=event_types, help=help_)(command)
    return click.argument("ids", nargs=-1, type=EventName(), metavar="[ID]...")(command)


def all_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--all", "everything", is_flag=True, help="All of them, where nothing else is named.")(command)


@click.group()
def dead() -> None:
    """Look at what was given up, try it again, or discard it. An ID is an event's position, or its id."""


@dead.command(name="list")
@which_options
@operator_command
async def list_(operator: Operator, ids: tuple[str, ...], consumer: str | None, type_: str | None) -> None:
    """List the dead, grouped by what went wrong."""
    async with operator.sessions() as session:
        grouped = await groups(session, Which(consumer, type_, ids))
    if operator.as_json:
        show_json(grouped)
    elif not grouped:
        click.echo("Nothing is dead.")
    else:
        columns = ["consumer", "count", "first", "last", "reason"]
        show_table(columns, [(g.consumer, g.count, g.first_position, g.last_position, g.reason) for g in grouped])


@dead.command()
@which_options
@operator_command
async def show(operator: Operator, ids: tuple[str, ...], consumer: str | None, type_: str | None) -> int:
    """Show dead letters whole: the event, the error with its traceback, attempts and times."""
    async with operator.sessions() as session:
        letters = await details(session, Which(consumer, type_, ids), limit=SHOWN)
    if operator.as_json:
        show_json(letters)
    for letter in () if operator.as_json else letters:
        _print(letter)
    if not letters:
        click.echo("Nothing like that is dead.", err=True)
    return 0 if letters else 1


@dead.command(name="redrive")
@which_options
@all_option
@operator_command
async def redrive_(
    operator: Operator, ids: tuple[str, ...], consumer: str | None, type_: str | None, everything: bool
) -> None:
    """Try them again, from the first attempt."""
    meant = await found(operator.sessions, _named(Which(consumer, type_, ids), everything=everything))
    with progress("redriving", meant.count, quiet=operator.as_json) as advanced:
        count = await redrive(operator.sessions, meant, advanced)
    show_json({"redriven": count}) if operator.as_json else click.echo(f"{count} will be tried again.")


@dead.command(name="discard")
@which_options
@all_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--why", default="", help="Kept with the deliveries.")
@operator_command
async def discard_(
    operator: Operator,
    ids: tuple[str, ...],
    consumer: str | None,
    type_: str | None,
    everything: bool,
    yes: bool,
    why: str,
) -> int:
    """Give them up for good. Who did so and why is kept."""
    meant = await found(operator.sessions, _named(Which(consumer, type_, ids), everything=everything))
    if not yes and not click.confirm(f"Discard {meant.count} dead letters for good?", err=True):
        return 1
    with progress("discarding", meant.count, quiet=operator.as_json) as advanced:
        count = await discard(operator.sessions, meant, advanced, by=getpass.getuser(), why=why)
    show_json({"discarded": count}) if operator.as_json else click.echo(f"{count} discarded.")
    return 0


def _named(which: Which, *, everything: bool) -> Which:
    """Nothing named is not everything: that has to be said."""
    if which == Which() and not everything:
        raise click.UsageError("name IDs, --consumer or --type; or say --all")
    return which


def _print(letter: DeadLetter) -> None:
    click.secho(f"{letter.consumer}  {letter.position}  {letter.type}", bold=True)
    click.echo(f"  event     {letter.event_id}")
    click.echo(f"  subject   {letter.subject}")
    click.echo(f"  recorded  {letter.recorded_at or 'forgotten by the outbox'}")
    click.echo(f"  died      {letter.died_at}, after {letter.attempts} attempts")
    click.echo(f"  data      {printable(letter.data or '')}")
    for line in (letter.error or "no reason was kept").rstrip().splitlines():
        click.echo(f"    {printable(line)}")
    click.echo()
