"""`waybill trace`."""

from uuid import UUID

import click

from infra.console import printable, show_json, show_table
from infra.storage import Storage, StorageError
from outbox.cli.operator import Operator, operator_command
from outbox.share_states import ShareState
from outbox.trace import Trace
from outbox.trace import trace as follow


@click.command()
@click.argument("file_id", type=click.UUID, metavar="FILE_ID")
@operator_command
async def trace(operator: Operator, file_id: UUID) -> int:
    """Show one file's life: its row, object and shares, its events, downloads and each consumer's attempts."""
    try:
        async with Storage.connect(operator.settings) as storage:
            found = await follow(operator.sessions, operator.redis, storage, file_id)
    except StorageError as error:
        raise click.ClickException(f"S3: {error}") from None
    if found is None:
        raise click.ClickException(f"there is no file {file_id}")
    show_json(found) if operator.as_json else _show(found)
    return 0


def _show(found: Trace) -> None:
    click.echo(f"{found.file_id}  {printable(found.name)}  {found.status}")
    click.echo(f"object: {found.object}")
    for share in found.shares:
        click.echo(_line(share))
    click.echo()
    rows = [(f"{each.at:%Y-%m-%d %H:%M:%S.%f}"[:-3], each.position, each.what, each.detail) for each in found.timeline]
    show_table(["at", "position", "what", "detail"], rows)


def _line(share: ShareState) -> str:
    limit = "" if share.max_downloads is None else f" of {share.max_downloads}"
    told = [f"share {share.id}: {share.state}", f"downloads {share.downloads}{limit}"]
    if share.expires_at is not None:
        told.append(f"until {share.expires_at:%Y-%m-%d %H:%M:%S}")
    if share.has_password:
        told.append("with a password")
    if share.recipients:
        told.append(f"mailed to {share.mailed} of {share.recipients}")
    return ", ".join(told)
