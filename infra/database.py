"""Postgres: how to connect, one engine per process, and how to tell that it is away from any other error."""

from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from infra.metrics import POOLS

SESSION_SETTINGS = {
    "synchronous_commit": "on",  # with it off, acknowledged commits are lost in a crash
    "statement_timeout": "30000",  # ms
    "lock_timeout": "10000",  # ms
    "idle_in_transaction_session_timeout": "60000",  # ms
    "timezone": "UTC",
}
CONNECT_TIMEOUT = 5.0
"""Seconds; a request waits no longer for Postgres before it is answered 503."""
COMMAND_TIMEOUT = 35.0
"""Seconds, a little more than the server's own limit: only a server that has fallen silent takes longer."""
AWAY = ("08", "53", "57P")
"""SQLSTATEs, by their beginnings: no connection, no resources, shutting down or starting up."""


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


def create_engine(
    database_url: str,
    *,
    pool_size: int = 16,
    application_name: str = "waybill",
    command_timeout: float | None = COMMAND_TIMEOUT,
) -> AsyncEngine:
    """The engine of a process; connections are made when they are first needed."""

    async def creator() -> asyncpg.Connection:
        return await connect(database_url, application_name=application_name, command_timeout=command_timeout)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT,
        hide_parameters=True,  # they would be in logs and in what a delivery keeps of its error
    )
    POOLS.engines[engine.sync_engine] = application_name.removeprefix("waybill-")
    return engine


def is_away(error: BaseException) -> bool:
    """Whether Postgres, and not what was asked of it, is the cause: the same may work a moment later."""
    if isinstance(error, DBAPIError):
        sqlstate = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or sqlstate.startswith(AWAY)
    return isinstance(error, DatabaseUnreachable | PoolTimeout)
