"""`waybill consumers`."""

from collections.abc import Sequence

import click

from consumers.subscription import discover
from domain.catalogue import STREAMS
from infra.console import show_json, show_table
from outbox.cli import completion
from outbox.cli.operator import Operator, operator_command
from outbox.consumers import Known, forget, known


@click.group()
def consumers() -> None:
    """List who handles events, or forget one that the code no longer has."""


@consumers.command(name="list")
@operator_command
async def list_(operator: Operator) -> None:
    """List every consumer, its types, and since which position it handles them."""
    async with operator.sessions() as session:
        found = await known(session)
    if operator.as_json:
        show_json([_described(each) for each in found])
        return
    columns = ["consumer", "type", "since", "in the code", "open", "dead"]
    show_table(columns, [row for each in found for row in _rows(each)])


@consumers.command(name="forget")
@click.argument("name", shell_complete=completion.consumers)
@click.option(
    "--type",
    "type_",
    metavar="TYPE",
    shell_complete=completion.event_types,
    help="Only what it does of this type, which it no longer handles.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@operator_command
async def forget_(operator: Operator, name: str, type_: str | None, yes: bool) -> int:
    """Forget what a consumer owes and has handled. Should it come back, it begins anew with all that is kept."""
    async with operator.sessions() as session:
        found = {each.name: each for each in await known(session)}
    if name not in found:
        raise click.ClickException(f"no consumer is called {name}; there are {', '.join(found)}")
    if _is_in_the_code(name, type_):
        raise click.ClickException(f"the code still has {name}{f', which handles {type_}' if type_ else ''}")
    what = f"{name}, {found[name].open} open and {found[name].dead} dead deliveries"
    if not yes and not click.confirm(f"Forget {f'{type_} of ' if type_ else ''}{what} in all?", err=True):
        return 1
    count = await forget(operator.sessions, operator.redis, STREAMS, name, type_=type_)
    show_json({"forgotten": count}) if operator.as_json else click.echo(f"{count} deliveries were forgotten.")
    return 0


def _is_in_the_code(name: str, type_: str | None = None) -> bool:
    consumer = discover().get(name)
    return consumer is not None and (type_ is None or type_ in consumer.event_types)


def _rows(each: Known) -> list[Sequence[object]]:
    figures = (each.open, each.dead)
    types = each.types.items() or [("", None)]
    return [
        (each.name, type_, since, _yes(_is_in_the_code(each.name, type_ or None)), *figures) for type_, since in types
    ]


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _described(each: Known) -> dict[str, object]:
    types = [
        {"type": type_, "since": since, "in_code": _is_in_the_code(each.name, type_)}
        for type_, since in each.types.items()
    ]
    in_code = _is_in_the_code(each.name)
    return {"name": each.name, "in_code": in_code, "types": types, "open": each.open, "dead": each.dead}
