"""Postgres: one engine per process."""

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

APPLICATION_SETTINGS = {
    "synchronous_commit": "on",  # with it off, acknowledged commits are lost in a crash
    "statement_timeout": "30000",  # ms
    "lock_timeout": "10000",  # ms
    "idle_in_transaction_session_timeout": "60000",  # ms
    "timezone": "UTC",
}
CONNECT_TIMEOUT = 5.0
"""Seconds; a request waits no longer for Postgres before it is answered 503."""


def create_engine(database_url: str, *, pool_size: int = 16, application_name: str = "waybill") -> AsyncEngine:
    """The engine of a process; connections are made when they are first needed."""
    return create_async_engine(
        sqlalchemy_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT,
        pool_pre_ping=False,
        connect_args={
            "timeout": CONNECT_TIMEOUT,
            "server_settings": {**APPLICATION_SETTINGS, "application_name": application_name},
        },
    )


def sqlalchemy_url(database_url: str) -> URL:
    """`postgresql://…`, as every Postgres tool takes it, for SQLAlchemy with asyncpg."""
    return make_url(database_url).set(drivername="postgresql+asyncpg")
