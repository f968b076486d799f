"""The schema can be built from nothing and taken down to nothing, and the code agrees with it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from infra.connection import schema
from infra.database import create_engine
from infra.embedded import EmbeddedStack
from migrations.command import alembic_config, newest
from tests.database import Database

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture
async def empty(stack: EmbeddedStack) -> AsyncIterator[AsyncEngine]:
    url = stack.environment["WAYBILL_DATABASE_URL"]
    admin = await asyncpg.connect(url.replace("/waybill?", "/postgres?"))
    await admin.execute('DROP DATABASE IF EXISTS "empty"')
    await admin.execute('CREATE DATABASE "empty" TEMPLATE template0')
    engine = create_engine(url.replace("/waybill?", "/empty?"))
    yield engine
    await engine.dispose()
    await admin.execute('DROP DATABASE "empty"')
    await admin.close()


async def alembic(engine: AsyncEngine, run: Callable[[Any], Any]) -> None:
    def with_config(connection: Connection) -> None:
        run(alembic_config(connection))

    async with engine.connect() as connection:
        await connection.run_sync(with_config)


async def tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set((await connection.exec_driver_sql(TABLES)).scalars())


async def test_upgrade_from_nothing_and_downgrade_to_nothing(empty: AsyncEngine) -> None:
    await alembic(empty, lambda config: command.upgrade(config, "head"))
    assert await tables(empty) == {
        "accounts",
        "alembic_version",
        "commands",
        "deliveries",
        "files",
        "leftovers",
        "one_time_tokens",
        "outbox",
        "refresh_tokens",
        "replays",
        "service_tokens",
        "sessions",
        "share_recipients",
        "share_tokens",
        "shares",
        "signing_keys",
        "subscriptions",
    }

    await alembic(empty, lambda config: command.downgrade(config, "base"))
    assert await tables(empty) == {"alembic_version"}

    await alembic(empty, lambda config: command.upgrade(config, "head"))
    assert "outbox" in await tables(empty)


async def test_the_models_and_the_migrations_agree(empty: AsyncEngine) -> None:
    await alembic(empty, lambda config: command.upgrade(config, "head"))

    await alembic(empty, command.check)


async def test_a_step_that_cannot_have_its_lock_fails_instead_of_queueing(
    empty: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with empty.connect() as connection:
        await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('waybill migrations'))")

        with pytest.raises(Exception, match="lock timeout"):
            await alembic(empty, lambda config: command.upgrade(config, "head"))


def test_the_step_that_is_last_by_name_is_the_last() -> None:
    assert [newest()] == ScriptDirectory.from_config(alembic_config()).get_heads()


async def test_a_database_that_somebody_has_stamped_twice_is_not_called_up_to_date(database: Database) -> None:
    (_, before, *_) = [step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()]
    await database.execute("INSERT INTO alembic_version VALUES (:step)", step=before)
    connection = await database.connect()

    assert await schema(connection) == f"{before}, {newest()}"
    await connection.close()
