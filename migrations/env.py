"""Alembic's entry: runs the steps on the connection it is given, or on the database of the settings."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from infra.database import create_engine
from infra.settings import load_settings
from outbox.tables import METADATA

LOCK_TIMEOUT = "5s"
"""A step that cannot have its lock fails, rather than letting every request queue up behind it."""
STATEMENT_TIMEOUT = "10min"


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, compare_type=True, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('waybill migrations'))"))
        context.run_migrations()


async def connect_and_run() -> None:
    engine = create_engine(load_settings().database_url, application_name="waybill-migrate", command_timeout=None)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(connect_and_run())
