"""`waybill status`."""

from datetime import timedelta

import click

from domain.catalogue import STREAMS
from infra.console import show_json, show_table, since
from outbox.cli.operator import Operator, operator_command
from outbox.status import Status
from outbox.status import status as look


@click.command()
@click.option(
    "--patience", type=float, default=60, show_default=True, help="Seconds after which a backlog is a problem."
)
@operator_command
async def status(operator: Operator, patience: float) -> int:
    """Show how far the outbox, the streams and the consumers are. Exits 1 if something needs somebody's attention."""
    found = await look(operator.sessions, operator.redis, STREAMS)
    problems = found.problems(timedelta(seconds=patience))
    if operator.as_json:
        show_json(
            {"outbox": found.outbox, "streams": found.streams, "consumers": found.consumers, "problems": problems}
        )
    else:
        _show(found)
        for problem in problems:
            click.echo(f"attention: {problem}")
    return 1 if problems else 0


def _show(found: Status) -> None:
    outbox = found.outbox
    show_table(["outbox", "head", "oldest"], [(outbox.unsequenced, outbox.head, since(outbox.oldest_seconds))])
    click.echo()
    show_table(
        ["stream", "length", "last id", "outbox head"],
        [(each.name, each.length, each.last_id, each.head) for each in found.streams],
    )
    click.echo()
    show_table(
        ["consumer", "stream", "lag", "unread", "pending", "due", "running", "dead", "overdue"],
        [
            (
                each.name,
                each.stream,
                each.lag,
                since(each.unread_seconds),
                each.pending,
                each.due,
                each.running,
                each.dead,
                since(each.overdue_seconds),
            )
            for each in found.consumers
        ],
    )
