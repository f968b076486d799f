"""`waybill streams`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import click

from domain.catalogue import STREAMS
from infra.connection import connect
from infra.console import progress, show_json, show_table
from infra.telemetry import one_line
from outbox import rebuilding
from outbox.cli.operator import Operator, operator_command
from outbox.relay import StreamAhead

WHAT_SUBSCRIBERS_SEE = (
    "Consumer groups keep their places and what they have pending; one that is further than the new end goes on from"
    " there. Whoever reads without a group (XREAD) and is further has to go back to it by themselves."
)


@click.group()
def streams() -> None:
    """Rebuild what is in Redis from the outbox."""


@streams.command()
@click.argument("names", nargs=-1, metavar="[STREAM]...", type=click.Choice(STREAMS))
@click.option("--yes", is_flag=True, help="Do not ask.")
@operator_command
async def rebuild(operator: Operator, names: tuple[str, ...], yes: bool) -> int:
    """Write streams anew from the outbox, by default all of ours, and swap them in at once.

    For a stream that is ahead of the outbox, or was tampered with; relays and subscribers may go on meanwhile.
    """
    chosen = tuple(dict.fromkeys(names)) or STREAMS
    async with _connection(operator) as connection:
        plans = await rebuilding.plan(connection, operator.redis, chosen)
        if not yes and not _agreed(plans):
            return 1
        done = []
        for each in plans:
            with progress(each.stream, each.entries, quiet=operator.as_json) as advanced:
                done.append(await rebuilding.rebuild(connection, operator.redis, each.stream, advanced))
        _show(operator, done)
        await rebuilding.catch_up(connection, operator.redis, STREAMS)
    return 0


@asynccontextmanager
async def _connection(operator: Operator) -> AsyncIterator[asyncpg.Connection]:
    """What can go wrong becomes one line."""
    connection = await connect(operator.settings.database_url, application_name="waybill-operator")
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise click.ClickException(f"Postgres: {one_line(error)}") from None
    except (rebuilding.RebuildRunning, StreamAhead) as error:
        raise click.ClickException(str(error)) from None
    finally:
        connection.terminate()


def _agreed(plans: Sequence[rebuilding.Plan]) -> bool:
    columns = ["stream", "entries now", "last id now", "entries then", "last id then"]
    rows = [(each.stream, each.entries_now, each.last_id_now, each.entries, each.last_id) for each in plans]
    show_table(columns, rows)
    click.echo(WHAT_SUBSCRIBERS_SEE)
    return click.confirm(f"Write {sum(each.entries for each in plans)} entries anew?", err=True)


def _show(operator: Operator, done: Sequence[rebuilding.Rebuilt]) -> None:
    if operator.as_json:
        show_json(done)
        return
    for each in done:
        click.echo(f"{each.stream} was rebuilt: {each.entries} entries, up to {each.last_id}.")
