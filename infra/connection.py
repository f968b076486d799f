"""One connection to Postgres by the driver alone: what is said to the server, and how to tell that it is away."""

from typing import Any

import asyncpg

SESSION_SETTINGS = {
    "synchronous_commit": "on",  # with it off, acknowledged commits are lost in a crash
    "statement_timeout": "30000",  # ms
    "lock_timeout": "10000",  # ms
    "idle_in_transaction_session_timeout": "60000",  # ms
    "timezone": "UTC",
    "jit": "off",  # to compile a statement takes longer than to run any of ours
}
STEPS = "SELECT string_agg(version_num, ', ' ORDER BY version_num) FROM alembic_version"
CONNECT_TIMEOUT = 5.0
"""Seconds; a request waits no longer for Postgres before it is answered 503."""
COMMAND_TIMEOUT = 35.0
"""Seconds, a little more than the server's own limit: only a server that has fallen silent takes longer."""


class DatabaseUnreachable(Exception):
    """Postgres cannot be reached; nothing has happened."""


UNREACHABLE = (
    DatabaseUnreachable,
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresError,
    asyncpg.InternalClientError,  # the server has said goodbye, and the socket is still open
)
"""What a connection of its own may raise while Postgres is away."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    async def set_type_codec(self, *arguments: Any, **options: Any) -> None:
        """SQLAlchemy's first words on a connection, said where it translates no errors yet."""
        try:
            await super().set_type_codec(*arguments, **options)
        except UNREACHABLE as error:
            raise DatabaseUnreachable(f"{type(error).__name__}: {error}") from error


async def connect(
    database_url: str, *, application_name: str, command_timeout: float | None = COMMAND_TIMEOUT
) -> asyncpg.Connection:
    """A connection of its own; timeouts in seconds. Raises DatabaseUnreachable."""
    try:
        return await asyncpg.connect(
            database_url,
            timeout=CONNECT_TIMEOUT,
            command_timeout=command_timeout,
            connection_class=_Connection,
            server_settings={**SESSION_SETTINGS, "application_name": application_name},
        )
    except UNREACHABLE as error:
        raise DatabaseUnreachable(f"{type(error).__name__}: {error}") from error


async def schema(connection: asyncpg.Connection) -> str | None:
    """The step of the migrations that the database is at; None before the first, several where somebody meddled."""
    begun = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
    found: str | None = await connection.fetchval(STEPS) if begun else None
    return found
