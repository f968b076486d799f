"""`waybill migrate`, and the same for whoever has a connection already."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection


@click.command()
@click.option("--to", "revision", metavar="REVISION", help="Where to go; by default up to the newest.")
@click.option("--down", is_flag=True, help="Go down to REVISION instead; `--down --to base` drops everything.")
def migrate(revision: str | None, *, down: bool) -> None:
    """Bring the database to the newest schema. Safe to run twice, and from two machines at once."""
    import structlog
    from alembic import command
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    from infra.database import DatabaseUnreachable
    from infra.settings import load_settings
    from infra.telemetry import configure_logging, one_line

    if down and revision is None:
        raise click.UsageError("--down needs --to REVISION")
    log_format = load_settings().log_format
    configure_logging(log_format)
    try:
        (command.downgrade if down else command.upgrade)(alembic_config(), revision or "head")
    except CommandError as error:
        raise click.UsageError(str(error)) from None
    except (DatabaseUnreachable, DBAPIError) as error:
        raise click.ClickException(f"Postgres: {one_line(error)}") from None
    if log_format == "json":
        structlog.get_logger(__name__).info("migrate.done", revision=revision or "head")
    else:
        click.echo(f"The database is at {revision or 'head'}.")


def alembic_config(connection: "Connection | None" = None) -> "Config":
    """Alembic's configuration; with a connection, the steps run there."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The schema that this code needs."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None  # noqa: S101 - there is a step, and a test that they are one chain
    return head
