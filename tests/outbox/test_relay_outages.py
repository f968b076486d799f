"""What Redis and Postgres may do to a relay: forget, fall back, and be away for long."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from infra.settings import Settings
from outbox import relay
from outbox.relay import run
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History
from tests.outbox.forwarder import Forwarder, forwarder, forwarder_to_postgres
from tests.outbox.running_relay import running_relay, until

STREAM = "waybill:files"


async def entries(redis: Redis) -> list[Any]:
    found: Any = await redis.xrange(STREAM)
    return list(found)


async def test_a_redis_restored_from_an_older_snapshot_gets_what_it_lacks(
    settings: Settings, history: History, redis: Redis
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    snapshot: Any = await redis.dump(STREAM)
    async with running_relay(settings.database_url, settings.redis_url) as monitor:
        await history.database.record(*(a_file_uploaded() for _ in range(4)))
        await monitor.until_relayed(4)
        before = await entries(redis)

        await redis.restore(STREAM, 0, snapshot, replace=True)
        await history.database.record(a_file_uploaded())
        await monitor.until_relayed(9)

    assert (await entries(redis))[:-1] == before
    assert [entry_id for entry_id, _ in await entries(redis)] == [f"{n}-0".encode() for n in range(1, 9)]


async def test_an_idle_relay_finds_by_itself_that_redis_has_forgotten_everything(
    settings: Settings, history: History, redis: Redis
) -> None:
    async with running_relay(settings.database_url, settings.redis_url) as monitor:
        await history.database.record(*(a_file_uploaded() for _ in range(5)))
        await monitor.until_relayed(5)
        before = await entries(redis)

        await redis.flushall()
        await monitor.until_relayed(10)

    assert await entries(redis) == before


async def test_a_stream_that_lost_its_tail_to_the_middle_of_a_batch_is_made_whole(
    settings: Settings, history: History, redis: Redis
) -> None:
    """As after a power cut, where the append-only file ends a second too early."""
    await history.publish(*(a_file_uploaded() for _ in range(2500)))
    before = await entries(redis)
    await redis.delete(STREAM)
    for entry_id, fields in before[:1234]:
        await redis.xadd(STREAM, fields, id=entry_id)

    async with running_relay(settings.database_url, settings.redis_url) as monitor:
        await monitor.until_relayed(2500 - 1234)

    assert await entries(redis) == before


@pytest.mark.parametrize("away", ["redis", "postgres"])
async def test_a_relay_outlives_many_failures_and_goes_on_soon_after(
    away: str,
    settings: Settings,
    environment: dict[str, str],
    database: Database,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The waits are a hundredth of the real ones: thirty failures are two minutes and more."""
    waits: list[float] = []
    real_wait = relay.backoff

    def a_hundredth(failures: int) -> float:
        waits.append(real_wait(failures))
        return waits[-1] / 100

    monkeypatch.setattr(relay, "backoff", a_hundredth)
    opened = forwarder(environment) if away == "redis" else forwarder_to_postgres(environment)
    async with opened as way, running_relay(*_urls(away, settings, way)) as monitor:
        await monitor.until_ready()
        await way.cut()
        await database.record(*(a_file_uploaded() for _ in range(10)))
        await until(lambda: _has_failed(waits, 30))
        readiness = await monitor.until_ready(ready=False)
        await way.mend()
        await asyncio.wait_for(monitor.until_relayed(10), relay.MAX_BACKOFF_SECONDS)
        await monitor.until_ready()

    assert [part for part, check in readiness["checks"].items() if not check["ok"]] == [away]
    assert max(waits[:2]) <= 0.2
    assert min(waits[8:30]) >= relay.MAX_BACKOFF_SECONDS / 2
    assert sum(waits[:30]) > 60
    assert await redis.xlen(STREAM) == 10


async def test_two_relays_at_once_make_one_whole_stream_of_5000_events(
    settings: Settings, database: Database, redis: Redis
) -> None:
    stop = asyncio.Event()
    relays = [asyncio.create_task(run(settings.database_url, redis, STREAMS, stop)) for _ in range(2)]

    async def write() -> None:
        for _ in range(25):
            await database.record(*(a_file_uploaded() for _ in range(100)))

    await asyncio.gather(write(), write())
    await until(lambda: _is_long(redis, 5000))
    stop.set()
    await asyncio.gather(*relays)

    found = await entries(redis)
    assert [int(fields[b"sequence"]) for _, fields in found] == list(range(1, 5001))
    assert len({fields[b"id"] for _, fields in found}) == 5000


@pytest.mark.parametrize("lingers", [0, 0.5], ids=["closed", "goodbye"])
async def test_a_connection_that_postgres_ends_is_replaced(
    lingers: float, settings: Settings, environment: dict[str, str], database: Database, redis: Redis
) -> None:
    """Between Postgres' goodbye and the end of the connection there is a moment, longer on a busy machine."""
    opened = forwarder_to_postgres(environment, lingers=lingers)
    async with opened as way, running_relay(*_urls("postgres", settings, way)) as monitor:
        await monitor.until_ready()
        await database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'waybill-relay' AND datname = current_database()"
        )
        await database.record(a_file_uploaded())
        await monitor.until_relayed(1)

    assert await redis.xlen(STREAM) == 1


def _urls(away: str, settings: Settings, way: Forwarder) -> tuple[str, str]:
    if away == "redis":
        return settings.database_url, f"redis://127.0.0.1:{way.port}/0"
    return way.postgres_url(settings.database_url), settings.redis_url


async def _has_failed(waits: list[float], times: int) -> bool:
    return len(waits) >= times


async def _is_long(redis: Redis, length: int) -> bool:
    return bool(await redis.xlen(STREAM) >= length)
