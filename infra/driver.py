"""The driver itself, for the few statements that are run with every other request.

For a row by its key SQLAlchemy takes five times as long, nearly all of it in our own process. The connections are those
of the engine's pool. A statement is a transaction of its own, which is one round trip, or one of several on a snapshot
or in the transaction of a session.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import asyncpg
from sqlalchemy import ClauseElement, PoolProxiedConnection, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError, TimeoutError)
"""What the driver raises; by the last of them a server that has fallen silent is told."""
OUTDATED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""A migration has changed what a statement reads, so the connection's prepared statements are of no use any more."""
NOTHING = text("SELECT")
"""SQLAlchemy says BEGIN with the first statement of a transaction."""
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
COMPILED = 600
"""Statements that are kept at most, some 50 kB each: all shapes that a search keeps, and the few others."""

Ask = Callable[[ClauseElement, Mapping[str, Any]], Awaitable[Sequence[asyncpg.Record]]]


@dataclass(frozen=True)
class Statement:
    """Compiled once; `names` are those of its `bindparam`s, in the order of `$1`, `$2`."""

    sql: str
    names: Sequence[str]

    @classmethod
    @lru_cache(COMPILED)
    def of(cls, statement: ClauseElement) -> Self:
        compiled: Any = statement.compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
        return cls(str(compiled), tuple(compiled.positiontup))

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """In their order."""
        return [values[name] for name in self.names]


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
        try:
            return await _asked(pooled, statement, values)
        finally:
            pooled.close()

    @asynccontextmanager
    async def reading(self, *settings: str) -> AsyncIterator[Ask]:
        """One snapshot for several statements, which are compiled once each. Raises as `rows` does, at its end."""
        said = begin = "; ".join([SNAPSHOT, *settings])
        pooled = await self.engine.raw_connection()
        connection: Any = pooled.driver_connection

        async def ask(select: ClauseElement, values: Mapping[str, Any]) -> Sequence[asyncpg.Record]:
            nonlocal said
            statement = Statement.of(select)
            said = statement.sql
            return await _rows(connection, statement, values)

        try:
            await connection.execute(begin)
            yield ask
            await connection.execute("COMMIT")
        except BaseException as error:
            if _is_usable(connection, error):
                await _roll_back(pooled)
            if told := _told(error, pooled, said):
                raise told from error
            raise
        finally:
            pooled.close()


async def rows_within(
    session: AsyncSession, statement: Statement, values: Mapping[str, Any]
) -> Sequence[asyncpg.Record]:
    """In the session's own transaction, before what it has yet to flush. Raises as `Driver.rows` does."""
    connection: Any = await session.connection()
    pooled = connection.sync_connection.connection
    if not pooled.driver_connection.is_in_transaction():
        await session.execute(NOTHING)
    return await _asked(pooled, statement, values)


async def _asked(
    pooled: PoolProxiedConnection, statement: Statement, values: Mapping[str, Any]
) -> Sequence[asyncpg.Record]:
    try:
        return await _rows(pooled.driver_connection, statement, values)
    except BaseException as error:
        if told := _told(error, pooled, statement.sql):
            raise told from error
        raise


async def _roll_back(pooled: PoolProxiedConnection) -> None:
    """Or else nobody uses the connection again: whoever did would be within that transaction."""
    connection: Any = pooled.driver_connection
    with suppress(*DRIVERS):  # what has gone wrong before is told
        await connection.execute("ROLLBACK")
    if connection.is_in_transaction():
        pooled.invalidate()


async def _rows(connection: Any, statement: Statement, values: Mapping[str, Any]) -> Sequence[asyncpg.Record]:
    found: Sequence[asyncpg.Record] = await connection.fetch(statement.sql, *statement.arguments(values))
    return found


def _told(error: BaseException, pooled: PoolProxiedConnection, meant_for: str) -> DBAPIError | None:
    """What SQLAlchemy would raise, if it is the driver's; what was lost or interrupted is not used again."""
    if pooled.is_valid and not _is_usable(pooled.driver_connection, error):
        pooled.invalidate()
    if not isinstance(error, DRIVERS):
        return None
    return DBAPIError(meant_for, None, error, connection_invalidated=not pooled.is_valid)


def _is_usable(connection: Any, error: BaseException) -> bool:
    if connection.is_closed() or not isinstance(error, Exception) or isinstance(error, OUTDATED):
        return False
    return isinstance(error, asyncpg.PostgresError) or not isinstance(error, DRIVERS)
