"""The relay makes the stream a view of the outbox, whatever happens around it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from outbox.message import OutboxMessage
from outbox.relay import Relay, StreamAhead
from tests.database import Database
from tests.factories import a_file_uploaded

STREAM = "waybill:files"


@pytest.fixture
async def connections(database: Database) -> AsyncIterator[list[asyncpg.Connection]]:
    opened = [await database.connect() for _ in range(3)]
    yield opened
    for connection in opened:
        await connection.close()


@pytest.fixture
def relay(connections: list[asyncpg.Connection], redis: Redis) -> Relay:
    return Relay(connections[0], redis, STREAMS)


async def test_a_committed_event_appears_in_its_stream_as_a_cloud_event(
    relay: Relay, database: Database, redis: Redis
) -> None:
    event = a_file_uploaded()
    (message,) = await database.record(event)

    assert await relay.step() == 1

    ((entry_id, fields),) = await entries(redis)
    assert entry_id == b"1-0"
    assert {key.decode(): value.decode() for key, value in fields.items()} == {
        "specversion": "1.0",
        "id": str(message.event_id),
        "source": "/waybill",
        "type": "file.uploaded",
        "subject": str(event.file_id),
        "time": message.recorded_at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": "1",
        "partitionkey": str(event.file_id),
        "data": event.to_json().decode(),
    }


async def test_a_late_commit_gets_a_later_position_and_is_not_skipped(
    relay: Relay, database: Database, redis: Redis
) -> None:
    async with database.session() as slow:
        slow.add(OutboxMessage.carrying(late := a_file_uploaded()))
        await slow.flush()
        await database.record(early := a_file_uploaded())
        await relay.step()
        await slow.commit()
    await relay.step()

    assert await _subjects(redis) == [str(early.file_id), str(late.file_id)]


async def test_what_was_rolled_back_never_appears(relay: Relay, database: Database, redis: Redis) -> None:
    async with database.session() as session:
        session.add(OutboxMessage.carrying(a_file_uploaded()))
        await session.flush()
        await session.rollback()

    assert await relay.step() == 0
    assert await redis.exists(STREAM) == 0


async def test_after_flushall_the_stream_comes_back_the_same(relay: Relay, database: Database, redis: Redis) -> None:
    await database.record(*(a_file_uploaded() for _ in range(5)))
    await relay.step()
    before = await entries(redis)

    await redis.flushall()
    relay.doubt()
    await relay.step()

    assert await entries(redis) == before


async def test_a_lost_tail_is_put_back_even_while_new_events_come(
    relay: Relay, database: Database, redis: Redis
) -> None:
    await database.record(*(a_file_uploaded() for _ in range(5)))
    await relay.step()
    first_two = (await entries(redis))[:2]
    await redis.delete(STREAM)
    for entry_id, fields in first_two:
        await redis.xadd(STREAM, fields, id=entry_id)
    await database.record(a_file_uploaded())

    while await relay.step() == 0:
        continue

    assert [entry_id for entry_id, _ in await entries(redis)] == [f"{n}-0".encode() for n in range(1, 7)]


async def test_three_relays_at_once_neither_lose_nor_double_nor_reorder(
    connections: list[asyncpg.Connection], database: Database, redis: Redis
) -> None:
    relays = [Relay(connection, redis, STREAMS) for connection in connections]

    async def write() -> None:
        for _ in range(100):
            await database.record(a_file_uploaded(), a_file_uploaded())

    async def relay_until_all_are_there(relay: Relay) -> None:
        while await redis.xlen(STREAM) < 400:
            await relay.step()

    await asyncio.gather(write(), write(), *map(relay_until_all_are_there, relays))

    positions = [int(fields[b"sequence"]) for _, fields in await entries(redis)]
    assert positions == list(range(1, 401))
    assert len({fields[b"id"] for _, fields in await entries(redis)}) == 400


async def test_a_stream_that_is_ahead_of_the_outbox_stops_the_relay_with_advice(relay: Relay, redis: Redis) -> None:
    await redis.xadd(STREAM, {"type": "file.uploaded"}, id="7-0")

    with pytest.raises(StreamAhead, match="older backup"):
        await relay.step()


async def entries(redis: Redis) -> list[Any]:
    found: Any = await redis.xrange(STREAM)
    return list(found)


async def _subjects(redis: Redis) -> list[str]:
    return [fields[b"subject"].decode() for _, fields in await entries(redis)]
