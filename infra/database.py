"""Postgres: one engine per process, and how to tell that it is away from any other error."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from infra.connection import COMMAND_TIMEOUT, CONNECT_TIMEOUT, DatabaseUnreachable, connect
from infra.metrics import POOLS

AWAY = ("08", "53", "57P")
"""SQLSTATEs, by their beginnings: no connection, no resources, shutting down or starting up."""


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
