"""What the relay asks of Postgres and Redis is the same for one event and for a thousand."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from outbox.relay import Relay
from tests.database import Database
from tests.factories import a_file_uploaded


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    opened = await database.connect()
    yield opened
    await opened.close()


@pytest.mark.parametrize("count", [1, 200])
async def test_a_step_is_three_statements_and_one_script(
    count: int, connection: asyncpg.Connection, database: Database, redis: Redis
) -> None:
    """Is there anything new? If so it is numbered, and what the streams lack is read."""
    relay, sent = Relay(connection, redis, STREAMS), list[str]()
    await relay.step()
    await database.record(*(a_file_uploaded() for _ in range(count)))
    await redis.config_resetstat()

    with connection.query_logger(lambda query: sent.append(query.query)):
        assert await relay.step() == count

    assert len(sent) == 3, sent
    commands = await redis.info("commandstats")
    assert commands["cmdstat_evalsha"]["calls"] == 1
    assert commands["cmdstat_xadd"]["calls"] == count
