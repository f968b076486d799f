"""Several statements on one snapshot, and what becomes of their connection when one of them fails."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Integer, Select, bindparam, column, func, literal_column, select, text
from sqlalchemy.exc import DBAPIError

from infra.database import create_engine, is_away
from infra.driver import Ask, Driver, Statement
from tests.database import Database
from tests.factories import an_account

BACKEND = select(func.pg_backend_pid().label("pid"))
ACCOUNTS = select(func.count().label("accounts")).select_from(text("accounts"))
QUOTIENT = select((literal_column("1") / bindparam("divisor", type_=Integer())).label("quotient"))
SLEEP = select(func.pg_sleep(literal_column("60")))
SETTING = select(func.current_setting(literal_column("'work_mem'")).label("setting"))


class Refused(Exception):
    """Something of ours that has nothing to do with Postgres."""


@pytest.fixture
async def driver(database: Database) -> AsyncIterator[Driver]:
    """On one connection, so that what a failure leaves behind is met by whoever comes next."""
    engine = create_engine(database.url, pool_size=1)
    yield Driver(engine)
    await engine.dispose()


async def backend(ask: Ask) -> int:
    (row,) = await ask(BACKEND, {})
    return int(row["pid"])


async def one_by(driver: Driver, *, divisor: int) -> None:
    """Raises DBAPIError for none, Refused for any other."""
    async with driver.reading() as ask:
        await ask(QUOTIENT, {"divisor": divisor})
        raise Refused


async def test_all_statements_see_the_same_whatever_is_committed_meanwhile(driver: Driver, database: Database) -> None:
    async with driver.reading() as ask:
        (before,) = await ask(ACCOUNTS, {})
        await database.save(an_account())
        (meanwhile,) = await ask(ACCOUNTS, {})
    async with driver.reading() as ask:
        (after,) = await ask(ACCOUNTS, {})

    assert (before["accounts"], meanwhile["accounts"], after["accounts"]) == (0, 0, 1)


async def test_a_setting_holds_for_the_snapshot_alone(driver: Driver) -> None:
    async with driver.reading("SET LOCAL work_mem = '7MB'") as ask:
        (within,) = await ask(SETTING, {})
    async with driver.reading() as ask:
        (beyond,) = await ask(SETTING, {})

    assert within["setting"] == "7MB" != beyond["setting"]


@pytest.mark.parametrize("goes_wrong", [DBAPIError, Refused])
async def test_after_an_error_the_connection_is_used_again(driver: Driver, goes_wrong: type[Exception]) -> None:
    async with driver.reading() as ask:
        first = await backend(ask)

    with pytest.raises(goes_wrong):
        await one_by(driver, divisor=0 if goes_wrong is DBAPIError else 1)

    async with driver.reading() as ask:
        assert await backend(ask) == first


async def test_an_error_names_the_statement_that_failed(driver: Driver) -> None:
    with pytest.raises(DBAPIError) as raised:
        await one_by(driver, divisor=0)

    assert raised.value.statement == Statement.of(QUOTIENT).sql


async def test_a_snapshot_that_cannot_begin_leaves_nothing_behind(driver: Driver) -> None:
    with pytest.raises(DBAPIError):
        async with driver.reading("SET LOCAL nonsense = 1"):
            pytest.fail("it has begun")

    async with driver.reading() as ask:
        assert await backend(ask)


async def test_what_a_migration_has_changed_is_asked_anew(driver: Driver, database: Database) -> None:
    await database.execute("CREATE TABLE changing AS SELECT 1 AS figure")
    changing: Select[Any] = select(column("figure")).select_from(text("changing"))
    async with driver.reading() as ask:
        await ask(changing, {})
    await database.execute("ALTER TABLE changing ALTER figure TYPE text")

    with pytest.raises(DBAPIError) as raised:
        async with driver.reading() as ask:
            await ask(changing, {})
    async with driver.reading() as ask:
        (row,) = await ask(changing, {})

    assert is_away(raised.value), "whoever asks again is served"
    assert row["figure"] == "1"


async def test_a_connection_that_was_interrupted_is_not_used_again(driver: Driver) -> None:
    async with driver.reading() as ask:
        first = await backend(ask)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), driver.reading() as ask:
            await ask(SLEEP, {})

    async with driver.reading() as ask:
        assert await backend(ask) != first
