"""`waybill migrate`, and the same for whoever has a connection already."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection


@click.command()
@click.option("--to", "revision", default="head", show_default=True, metavar="REVISION", help="Where to go.")
@click.option("--down", is_flag=True, help="Go down to REVISION instead of up; `--to base` drops everything.")
def migrate(revision: str, *, down: bool) -> None:
    """Bring the database to the newest schema. Safe to run twice, and from two machines at once."""
    from alembic import command

    from infra.settings import load_settings
    from infra.telemetry import configure_logging

    configure_logging(load_settings().log_format)
    (command.downgrade if down else command.upgrade)(alembic_config(), revision)
    click.echo(f"The database is at {revision}.")


def alembic_config(connection: "Connection | None" = None) -> "Config":
    """Alembic's configuration; with a connection, the steps run there."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
