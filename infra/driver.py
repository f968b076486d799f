"""The driver itself, for the few statements that are run with every other request.

For a row by its key SQLAlchemy takes five times as long, nearly all of it in our own process. The connections are those
of the engine's pool; each statement is a transaction of its own, which is one round trip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError, TimeoutError)
"""What the driver raises; by the last of them a server that has fallen silent is told."""


@dataclass(frozen=True)
class Statement:
    """Compiled once; `names` are those of its `bindparam`s, in the order of `$1`, `$2`."""

    sql: str
    names: Sequence[str]

    @classmethod
    def of(cls, statement: ClauseElement) -> Self:
        compiled: Any = statement.compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
        return cls(str(compiled), tuple(compiled.positiontup))


@dataclass(frozen=True)
class Driver:
    engine: AsyncEngine

    @classmethod
    def of(cls, sessions: async_sessionmaker[Any]) -> Self:
        """On the same connections as these sessions."""
        return cls(sessions.kw["bind"])

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> asyncpg.Record | None:
        """The first one. Raises as `rows` does."""
        return next(iter(await self.rows(statement, values)), None)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[asyncpg.Record]:
        """JSON is given as text. Raises what SQLAlchemy does: DBAPIError, PoolTimeout and the like."""
        pooled = await self.engine.raw_connection()
        connection: Any = pooled.driver_connection
        try:
            found: Sequence[asyncpg.Record] = await connection.fetch(
                statement.sql, *[values[name] for name in statement.names]
            )
        except BaseException as error:
            if connection.is_closed() or not isinstance(error, asyncpg.PostgresError):
                pooled.invalidate()  # what was lost or interrupted is not used again
            if isinstance(error, DRIVERS):
                raise DBAPIError(statement.sql, None, error, connection_invalidated=not pooled.is_valid) from error
            raise
        else:
            return found
        finally:
            pooled.close()
