"""Whatever goes wrong with a connection before it is of use is Postgres being away, not a fault of ours."""

from typing import Any

import asyncpg
import pytest

from infra.connection import DatabaseUnreachable
from infra.database import create_engine
from infra.settings import Settings


async def test_a_connection_that_dies_before_its_first_words_is_a_database_out_of_reach(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = asyncpg.connect

    async def connect_and_lose(*arguments: Any, **options: Any) -> asyncpg.Connection:
        connection = await connect(*arguments, **options)
        connection.terminate()
        return connection

    monkeypatch.setattr(asyncpg, "connect", connect_and_lose)
    engine = create_engine(settings.database_url)

    with pytest.raises(DatabaseUnreachable, match="connection is closed"):
        await engine.connect()
