"""A statement by the driver within a session's transaction: what it did, and what it left behind, is the session's."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from infra.database import create_engine, is_away
from infra.driver import Statement, rows_within
from tests.database import Database

BACKEND = text("SELECT pg_backend_pid() AS pid")
INSERT = Statement.of(text("INSERT INTO noted VALUES (CAST(:note AS text)) RETURNING note"))
QUOTIENT = Statement.of(text("SELECT 1 / CAST(:divisor AS int) AS quotient"))
SLEEP = Statement.of(text("SELECT pg_sleep(60)"))


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """On an engine with one connection, so that what a failure leaves behind is met by whoever comes next."""
    await database.execute("CREATE TABLE noted (note text)")
    engine = create_engine(database.url, pool_size=1)
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


async def notes(database: Database) -> list[str]:
    return [row.note for row in await database.rows("SELECT note FROM noted")]


async def test_it_is_there_once_the_session_commits(session: AsyncSession, database: Database) -> None:
    (row,) = await rows_within(session, INSERT, {"note": "a"})
    assert row["note"] == "a"
    assert await notes(database) == []

    await session.commit()

    assert await notes(database) == ["a"]


async def test_it_is_gone_where_the_session_rolls_back(session: AsyncSession, database: Database) -> None:
    await rows_within(session, INSERT, {"note": "a"})

    await session.rollback()

    assert await notes(database) == []


async def test_what_fails_is_raised_as_the_session_would_and_the_connection_is_used_again(
    session: AsyncSession,
) -> None:
    first = await session.scalar(BACKEND)

    with pytest.raises(DBAPIError) as raised:
        await rows_within(session, QUOTIENT, {"divisor": 0})
    await session.rollback()

    assert not is_away(raised.value)
    assert await session.scalar(BACKEND) == first


async def test_a_connection_that_is_lost_is_told_as_such_and_not_used_again(
    session: AsyncSession, database: Database
) -> None:
    first = await session.scalar(BACKEND)
    await database.execute("SELECT pg_terminate_backend(:pid)", pid=first)

    with pytest.raises(DBAPIError) as raised:
        await rows_within(session, INSERT, {"note": "a"})
    await session.rollback()

    assert is_away(raised.value)
    assert await session.scalar(BACKEND) != first


async def test_a_connection_that_was_interrupted_is_not_used_again(session: AsyncSession) -> None:
    first = await session.scalar(BACKEND)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await rows_within(session, SLEEP, {})
    await session.rollback()

    assert await session.scalar(BACKEND) != first
