"""A relay tells whether it can go on, and why not; its figures agree with what has happened."""

import asyncio

import pytest
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from infra.health import told
from infra.listening import bound
from infra.settings import Settings
from outbox import relay_health, relay_metrics
from outbox.relay import MAX_BACKOFF_SECONDS, Relay, StreamAhead, backoff
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import Run
from tests.outbox.forwarder import forwarder
from tests.outbox.running_relay import running_relay

STREAM = "waybill:files"
NOWHERE = "redis://:secret@127.0.0.1:9/0"


@pytest.fixture(autouse=True)
def _figures_are_always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_metrics, "ASK_SECONDS", 0.0)


async def test_figures_agree_with_what_has_been_relayed(settings: Settings, database: Database, redis: Redis) -> None:
    await database.record(*(a_file_uploaded() for _ in range(20)))

    async with running_relay(settings.database_url, settings.redis_url) as monitor:
        await monitor.until_relayed(20)
        figures = await monitor.figures()

    assert figures == {
        "backlog": 0,
        "oldest_seconds": 0,
        "batches_total": 1,
        "entries_total": 20,
        "failures_total": 0,
        **{f"conflicts_total:{stream}": 0 for stream in STREAMS},
    }


async def test_an_append_that_another_relay_made_first_is_a_conflict(database: Database, redis: Redis) -> None:
    connections = [await database.connect() for _ in range(2)]
    tally = relay_health.Tally()
    late, early = Relay(connections[0], redis, STREAMS, tally), Relay(connections[1], redis, STREAMS)
    await late.step()
    await database.record(a_file_uploaded())
    await early.step()
    await database.record(a_file_uploaded())

    assert await late.step() == 0
    assert await late.step() == 1
    assert tally.conflicts == {STREAM: 1}
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("sequenced", [True, False])
async def test_the_backlog_is_what_is_committed_and_in_no_stream(
    sequenced: bool, settings: Settings, database: Database, redis: Redis
) -> None:
    await database.record(*(a_file_uploaded() for _ in range(3)))
    await database.execute("UPDATE outbox SET recorded_at = now() - interval '1 hour' WHERE id = 1")
    if sequenced:
        await database.execute("UPDATE outbox SET position = id")
    waiting = relay_metrics.Backlog(settings.database_url, redis, STREAMS)

    await waiting.ask()

    assert waiting.rows == 3
    assert 3600 <= waiting.oldest_seconds < 3700


async def test_a_backlog_that_cannot_be_known_is_no_figure(settings: Settings, redis: Redis) -> None:
    async with running_relay("postgresql://nobody@127.0.0.1:9/none", settings.redis_url) as monitor:
        figures = await monitor.figures()

    assert "backlog" not in figures
    assert figures["entries_total"] == 0


async def test_a_relay_without_redis_is_alive_but_not_ready_and_says_why(settings: Settings) -> None:
    async with running_relay(settings.database_url, NOWHERE) as monitor:
        await monitor.until_told("redis", "connecting")
        status, readiness = await monitor.readiness()
        live = await monitor.http.get("/health/live")

    assert status == 503
    assert readiness["ready"] is False
    assert "ConnectionError" in readiness["checks"]["redis"]["error"]
    assert "secret" not in str(readiness)
    assert readiness["checks"]["redis"]["since"].endswith("Z")
    assert live.json() == {"status": "alive"}


async def test_a_relay_without_postgres_is_not_ready_and_says_why(settings: Settings, redis: Redis) -> None:
    async with running_relay("postgresql://nobody@127.0.0.1:9/none", settings.redis_url) as monitor:
        readiness = await monitor.until_told("postgres", "Refused")

    assert readiness["ready"] is False


async def test_readiness_goes_and_comes_back_with_redis(
    settings: Settings, environment: dict[str, str], database: Database, redis: Redis
) -> None:
    async with (
        forwarder(environment) as way,
        running_relay(settings.database_url, f"redis://127.0.0.1:{way.port}/0") as monitor,
    ):
        ready = await monitor.until_ready()
        await way.cut()
        away = await monitor.until_ready(ready=False)
        await database.record(a_file_uploaded())
        await way.mend()
        await monitor.until_ready()
        figures = await monitor.until_relayed(1)

    assert ready == {"ready": True, "checks": {part: {"ok": True} for part in ("postgres", "redis", "streams")}}
    assert away["checks"]["postgres"] == {"ok": True}
    assert away["checks"]["redis"]["ok"] is False
    assert figures["failures_total"] > 0
    assert await redis.xlen(STREAM) == 1


async def test_a_relay_that_met_a_stream_ahead_of_the_outbox_is_not_ready(settings: Settings, redis: Redis) -> None:
    await redis.xadd(STREAM, {"type": "file.uploaded"}, id="7-0")

    async with running_relay(settings.database_url, settings.redis_url) as monitor:
        (error,) = await asyncio.gather(monitor.relaying, return_exceptions=True)
        _, readiness = await monitor.readiness()

    assert isinstance(error, StreamAhead)
    assert "waybill:files ends at 7-0" in readiness["checks"]["streams"]["error"]


async def test_a_step_that_hangs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    health = relay_health.RelayHealth()
    health.works()
    monkeypatch.setattr(relay_health, "STALE_SECONDS", -1.0)

    assert (await health.checks())["streams"].ok is False


@pytest.mark.parametrize("name", ["relay", "worker", "scheduler"])
async def test_a_taken_port_is_one_clear_line(name: str, waybill: Run) -> None:
    with bound("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]

        result = await waybill(name, "--monitor-port", str(port))

    assert result.exit_code == 1
    assert result.stderr == f"waybill: 127.0.0.1:{port} cannot be listened on: Address already in use\n"


def test_what_is_told_of_an_error_has_no_credentials_and_one_line() -> None:
    line = told(ValueError("no postgresql://waybill:secret@db/waybill\nhere"))

    assert line == "ValueError: no postgresql://…@db/waybill"


def test_the_wait_grows_up_to_a_limit_however_long_it_lasts() -> None:
    for failures, longest in ((1, 0.1), (2, 0.2), (5, 1.6), (20, MAX_BACKOFF_SECONDS), (5000, MAX_BACKOFF_SECONDS)):
        assert longest / 2 <= backoff(failures) <= longest
    assert len({backoff(3) for _ in range(10)}) > 1
