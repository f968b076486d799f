"""`waybill migrate`, and the same for whoever has a connection already."""

import asyncio
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

    from infra.connection import UNREACHABLE
    from infra.settings import load_settings
    from infra.telemetry import configure_logging, one_line

    if down and revision is None:
        raise click.UsageError("--down needs --to REVISION")
    settings = load_settings()
    configure_logging(settings.log_format)
    try:
        if revision or asyncio.run(_schema(settings.database_url)) != newest():
            _walk(revision or "head", down=down)
    except UNREACHABLE as error:
        raise click.ClickException(f"Postgres: {one_line(error)}") from None
    if settings.log_format == "json":
        structlog.get_logger(__name__).info("migrate.done", revision=revision or "head")
    else:
        click.echo(f"The database is at {revision or 'head'}.")


def _walk(revision: str, *, down: bool) -> None:
    """Alembic's own command; what it needs takes a second to import."""
    from alembic import command
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    from infra.telemetry import one_line

    try:
        (command.downgrade if down else command.upgrade)(alembic_config(), revision)
    except CommandError as error:
        raise click.UsageError(str(error)) from None
    except DBAPIError as error:
        raise click.ClickException(f"Postgres: {one_line(error)}") from None


def alembic_config(connection: "Connection | None" = None) -> "Config":
    """Alembic's configuration; with a connection, the steps run there."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The schema that this code needs. Steps are called by the minute, so the last by name is the last."""
    return max(step.name for step in (Path(__file__).parent / "versions").glob("[0-9]*.py"))[: len("YYYY_MM_DD_HHMM")]


async def _schema(database_url: str) -> str | None:
    from infra.connection import connect, schema

    connection = await connect(database_url, application_name="waybill-migrate")
    try:
        return await schema(connection)
    finally:
        await connection.close()
