"""A stream is rebuilt from the outbox beside the one that is read, and nobody sees a gap."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from infra import failpoints
from infra.settings import Settings
from outbox.rebuilding import REBUILDING_LOCK, RebuildRunning, rebuild
from outbox.relay import Relay, StreamAhead, run
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History, Run, answer

STREAM = "waybill:files"
COPY = "{waybill:files}:rebuilding"


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    opened = await database.connect()
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def _disarmed() -> Any:
    yield
    failpoints.arm(None)


async def entries(redis: Redis) -> list[Any]:
    found: Any = await redis.xrange(STREAM)
    return list(found)


async def read(redis: Redis, consumer: str = "them", count: int = 100) -> list[bytes]:
    """What is new to the group `theirs`."""
    answered: Any = await redis.xreadgroup("theirs", consumer, {STREAM: ">"}, count=count)
    return [entry_id for _, found in answered for entry_id, _ in found]


async def test_a_stream_that_was_tampered_with_is_the_outbox_again(
    waybill: Run, history: History, redis: Redis
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(5)))
    before = await entries(redis)
    await redis.xdel(STREAM, "2-0", "4-0")

    result = await waybill("streams", "rebuild", STREAM, "--yes", "--json")

    assert result.exit_code == 0
    assert answer(result) == [{"stream": STREAM, "entries": 5, "last_id": "5-0"}]
    assert await entries(redis) == before
    assert await redis.exists(COPY) == 0
    again = await waybill("streams", "rebuild", "--yes")
    assert again.exit_code == 0
    assert "waybill:files was rebuilt: 5 entries, up to 5-0." in again.stdout
    assert await entries(redis) == before


async def test_a_group_keeps_its_place_and_what_it_has_pending(
    history: History, redis: Redis, connection: asyncpg.Connection
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(5)))
    await redis.xgroup_create(STREAM, "theirs")
    await read(redis, count=3)
    await redis.xack(STREAM, "theirs", "1-0", "3-0")
    await redis.xclaim(STREAM, "theirs", "other", 0, ["2-0"])

    await rebuild(connection, redis, STREAM)

    pending: Any = await redis.xpending_range(STREAM, "theirs", "-", "+", 10)
    assert [(each["message_id"], each["consumer"], each["times_delivered"]) for each in pending] == [
        (b"2-0", b"other", 2)
    ]
    assert await read(redis) == [b"4-0", b"5-0"]
    assert await redis.xack(STREAM, "theirs", "2-0") == 1


async def test_a_stream_ahead_of_the_outbox_is_healed_and_its_groups_miss_nothing(
    waybill: Run, history: History, redis: Redis, database: Database, connection: asyncpg.Connection
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(5)))
    await redis.xgroup_create(STREAM, "theirs")
    await read(redis)
    await redis.xack(STREAM, "theirs", *(f"{n}-0" for n in range(1, 5)))
    await database.execute("DELETE FROM outbox WHERE position > 3")  # restored from an older backup
    await database.record(a_file_uploaded())
    with pytest.raises(StreamAhead, match="waybill streams rebuild waybill:files"):
        await Relay(connection, redis, STREAMS).step()

    assert (await waybill("streams", "rebuild", "--yes")).exit_code == 0

    assert [entry_id for entry_id, _ in await entries(redis)] == [b"1-0", b"2-0", b"3-0", b"4-0"]
    assert await read(redis) == [b"4-0"]
    assert (await redis.xpending(STREAM, "theirs"))["pending"] == 1


async def test_no_position_is_given_while_another_stream_is_ahead(
    waybill: Run, history: History, redis: Redis, database: Database
) -> None:
    await history.publish(a_file_uploaded())
    for stream in ("waybill:accounts", STREAM):
        await redis.xadd(stream, {"type": "unknown"}, id="7-0")
    await database.record(a_file_uploaded())

    result = await waybill("streams", "rebuild", STREAM, "--yes")

    assert result.exit_code == 1
    assert "waybill streams rebuild waybill:accounts" in result.stderr
    assert len(await entries(redis)) == 1
    assert await database.rows("SELECT count(position) FROM outbox") == [(1,)]
    assert (await waybill("streams", "rebuild", "--yes")).exit_code == 0
    assert len(await entries(redis)) == 2


async def test_a_stream_whose_every_event_is_forgotten_keeps_its_groups(
    history: History, redis: Redis, database: Database, connection: asyncpg.Connection
) -> None:
    await history.publish(a_file_uploaded())
    await redis.xgroup_create(STREAM, "theirs")
    await database.execute("DELETE FROM outbox")

    await rebuild(connection, redis, STREAM)

    assert await entries(redis) == []
    groups: Any = await redis.xinfo_groups(STREAM)
    assert [each["name"] for each in groups] == [b"theirs"]


async def test_a_stream_that_is_not_there_is_built(
    history: History, redis: Redis, connection: asyncpg.Connection
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    before = await entries(redis)
    await redis.flushall()

    await rebuild(connection, redis, STREAM)

    assert await entries(redis) == before


async def test_a_redis_that_forgets_everything_before_the_swap_is_filled_again(
    history: History, redis: Redis, connection: asyncpg.Connection
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(1500)))
    before = await entries(redis)
    forgetting: list[asyncio.Future[Any]] = []

    def forget_once(_: int) -> None:
        if not forgetting:
            forgetting.append(asyncio.ensure_future(redis.flushall()))

    await rebuild(connection, redis, STREAM, forget_once)

    assert forgetting
    assert await entries(redis) == before


async def test_a_rebuild_that_was_killed_before_the_swap_has_changed_nothing_and_the_next_one_succeeds(
    history: History, redis: Redis, connection: asyncpg.Connection
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    await redis.xadd(COPY, {"left": "over"})
    before = await entries(redis)

    def die(name: str) -> None:
        if name == "rebuild.before_swap":
            raise ConnectionError

    failpoints.arm(die)
    with pytest.raises(ConnectionError):
        await rebuild(connection, redis, STREAM)
    failpoints.arm(None)
    assert await entries(redis) == before

    await rebuild(connection, redis, STREAM)

    assert await entries(redis) == before
    assert await redis.exists(COPY) == 0


async def test_a_second_rebuild_at_once_is_refused(
    waybill: Run, history: History, redis: Redis, connection: asyncpg.Connection
) -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", REBUILDING_LOCK)

    result = await waybill("streams", "rebuild", "--yes")

    assert result.exit_code == 1
    assert result.stderr == f"waybill: {RebuildRunning()}\n"


async def test_relays_and_subscribers_go_on_meanwhile(
    settings: Settings, database: Database, redis: Redis, connection: asyncpg.Connection
) -> None:
    stop = asyncio.Event()
    seen: list[bytes] = []
    await redis.xgroup_create(STREAM, "theirs", mkstream=True)

    async def write() -> None:
        for _ in range(150):
            await database.record(a_file_uploaded(), a_file_uploaded())

    async def subscribe() -> None:
        while len(set(seen)) < 300:
            answered: Any = await redis.xreadgroup("theirs", "them", {STREAM: ">"}, count=7, block=100)
            for entry_id, _ in answered[0][1] if answered else ():
                seen.append(entry_id)
                await redis.xack(STREAM, "theirs", entry_id)

    async def rebuild_often() -> None:
        while not writing.done():
            await rebuild(connection, redis, STREAM)

    relays = [asyncio.create_task(run(settings.database_url, redis, STREAMS, stop)) for _ in range(2)]
    writing, subscribing = asyncio.create_task(write()), asyncio.create_task(subscribe())
    await asyncio.gather(writing, subscribing, rebuild_often())
    stop.set()
    await asyncio.gather(*relays)

    positions = [int(fields[b"sequence"]) for _, fields in await entries(redis)]
    assert positions == list(range(1, 301))
    assert len(set(seen)) == 300


async def test_it_asks_and_no_changes_nothing(waybill: Run, history: History, redis: Redis) -> None:
    await history.publish(a_file_uploaded())
    await redis.xtrim(STREAM, maxlen=0)

    result = await waybill("streams", "rebuild", input="n\n")

    assert result.exit_code == 1
    assert "Write 1 entries anew?" in result.stderr
    assert "XREAD" in result.stdout
    assert await entries(redis) == []


async def test_a_stream_that_is_not_ours_is_bad_input(waybill: Run) -> None:
    result = await waybill("streams", "rebuild", "waybill:filez", "--yes")

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "waybill:files" in result.stderr
