"""`waybill replay` and `waybill replays`."""

import getpass
from uuid import UUID

import click

from consumers.subscription import discover
from domain.catalogue import STREAMS
from infra.console import progress, show_json, show_table
from outbox import replaying
from outbox.cli.bounds import selection_options
from outbox.cli.completion import consumers
from outbox.cli.operator import Operator, operator_command
from outbox.replay import Replay, ReplayState
from outbox.selection import Bound, Selection

SAMPLES = 10


@click.command()
@click.option("--consumer", metavar="NAME", shell_complete=consumers, help="Whose handler is to run again.")
@click.option("--to-stream", metavar="KEY", help="Copy the events into this stream instead, for a service of your own.")
@selection_options
@click.option("--rate", type=click.FloatRange(min=0.1), metavar="N", help="At most so many events a second.")
@click.option("--dry-run", is_flag=True, help="Say how many events are meant, and show some.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--why", default="", help="Kept with the replay.")
@operator_command
async def replay(
    operator: Operator,
    consumer: str | None,
    to_stream: str | None,
    type_: str | None,
    subject: UUID | None,
    after: Bound | None,
    before: Bound | None,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    why: str,
) -> int:
    """Run a consumer again for past events, or copy past events into another stream."""
    types = _types_of(consumer, to_stream)
    selection = Selection(type=type_, types=types, subject=subject, after=after, before=before)
    total, samples = await replaying.preview(operator.sessions, selection, limit=SAMPLES)
    if dry_run:
        _show_preview(operator, total, samples)
        return 0
    if not yes and not click.confirm(f"Replay {total} events to {consumer or to_stream}?", err=True):
        return 1
    by = getpass.getuser()
    begun = await replaying.begin(operator.sessions, selection, consumer=consumer, to_stream=to_stream, by=by, why=why)
    with progress("replaying", total, quiet=operator.as_json) as advanced:
        state = await replaying.run(operator.sessions, operator.redis, begun, selection, rate=rate, advanced=advanced)
    return await _report(operator, begun.id, state)


@click.group()
def replays() -> None:
    """List replays, or cancel one."""


@replays.command(name="list")
@operator_command
async def list_(operator: Operator) -> None:
    """List replays, the newest first."""
    found = await replaying.recent(operator.sessions)
    if operator.as_json:
        show_json([_described(each) for each in found])
        return
    columns = ["id", "to", "state", "replayed", "of", "by", "begun", "why"]
    show_table(columns, map(_row, found))


@replays.command()
@click.argument("replay_id", type=click.UUID, metavar="ID")
@operator_command
async def cancel(operator: Operator, replay_id: UUID) -> None:
    """Stop a replay, and take back what nobody has begun."""
    ended = await replaying.cancel(operator.sessions, replay_id)
    if ended is None:
        raise click.ClickException(f"there is no replay {replay_id}")
    state, taken_back = ended
    if operator.as_json:
        show_json({"state": state, "taken_back": taken_back})
    else:
        click.echo(f"The replay is {state}; {taken_back} deliveries were taken back.")


def _types_of(consumer: str | None, to_stream: str | None) -> list[str] | None:
    """What the consumer handles; every type for a stream. Bad input is a usage error."""
    if (consumer is None) == (to_stream is None):
        raise click.UsageError("give either --consumer or --to-stream")
    if to_stream in STREAMS:
        raise click.UsageError(f"{to_stream} is the relay's own; name a stream of yours")
    if consumer is None:
        return None
    found = discover()
    if consumer not in found:
        raise click.UsageError(f"no consumer is called {consumer}; there are {', '.join(sorted(found))}")
    return list(found[consumer].event_types)


def _show_preview(operator: Operator, total: int, samples: list[replaying.Sample]) -> None:
    if operator.as_json:
        show_json({"total": total, "first": samples})
        return
    click.echo(f"{total} events would be replayed" + (", the first of them:" if samples else "."))
    show_table(
        ["position", "type", "subject", "recorded"], [(s.position, s.type, s.subject, s.recorded_at) for s in samples]
    )


async def _report(operator: Operator, replay_id: UUID, state: ReplayState) -> int:
    async with operator.sessions() as session:
        ended = await session.get_one(Replay, replay_id)
    if operator.as_json:
        show_json(_described(ended))
    else:
        click.echo(f"{ended.replayed} of {ended.total} events replayed; {state} ({ended.id}).")
    return 0 if state is ReplayState.DONE else 1


def _row(replay: Replay) -> tuple[object, ...]:
    target, begun = replay.consumer or replay.to_stream, f"{replay.created_at:%Y-%m-%d %H:%M:%S}"
    progress = (replay.replayed, replay.total)
    return (replay.id, target, replay.state, *progress, replay.requested_by, begun, replay.reason)


def _described(replay: Replay) -> dict[str, object]:
    return {column.name: getattr(replay, column.name) for column in Replay.__table__.columns}
