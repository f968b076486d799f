"""`waybill doctor`: what is well, what is not, and what to do about it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from infra.doctor import machine, s3
from infra.doctor.line import Level
from tests.database import Database
from tests.outbox.conftest import Run, answer

PARTS = {"postgres", "redis", "s3", "smtp", "disk", "versions"}
NOWHERE = {
    "postgres": ("WAYBILL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none"),
    "redis": ("WAYBILL_REDIS_URL", "redis://127.0.0.1:9/0"),
    "s3": ("WAYBILL_S3_BUCKET", "no-such-bucket"),
    "smtp": ("WAYBILL_SMTP_URL", "smtp://127.0.0.1:9"),
}


@pytest.fixture
async def evicting(redis: Redis) -> AsyncIterator[None]:
    """A Redis that throws keys away when it is full."""
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    yield
    await redis.config_set("maxmemory-policy", "noeviction")


def lines_of(told: Any, part: str) -> list[Any]:
    return [line for line in told["lines"] if line["part"] == part]


async def test_an_embedded_stack_is_well(waybill: Run, database: Database) -> None:
    result = await waybill("doctor", "--json")

    told = answer(result)
    failed = {line["said"].split()[0] for line in told["lines"] if line["level"] == Level.FAIL}
    assert failed <= {"fsync", "full_page_writes"}  # the tests' own Postgres is a fast one
    assert {line["part"] for line in told["lines"]} == PARTS
    assert {line["said"] for line in lines_of(told, "s3")} >= {
        "put, get and delete",
        "multipart uploads, with their parts listed",
        "presigned URLs, at the address that clients are given",
    }


@pytest.mark.parametrize("part", NOWHERE)
async def test_what_is_away_fails_and_the_others_are_looked_at(
    waybill: Run, environment: dict[str, str], part: str
) -> None:
    name, value = NOWHERE[part]
    environment[name] = value

    result = await waybill("doctor", "--json")

    assert result.exit_code == 1
    told = answer(result)
    (line,) = lines_of(told, part)
    assert line["level"] == Level.FAIL
    assert line["todo"]
    assert {line["part"] for line in told["lines"]} == PARTS


async def test_a_schema_of_another_version_says_what_to_run(waybill: Run, database: Database) -> None:
    await database.execute("UPDATE alembic_version SET version_num = 'before'")

    result = await waybill("doctor")

    assert result.exit_code == 1
    assert "schema before, and this version needs" in result.stdout
    assert "run `waybill migrate`" in result.stdout


async def test_a_redis_that_throws_keys_away_fails(waybill: Run, evicting: None) -> None:
    told = answer(await waybill("doctor", "--json"))

    (line,) = [line for line in lines_of(told, "redis") if "allkeys-lru" in line["said"]]
    assert (line["level"], line["todo"]) == (Level.FAIL, "set maxmemory-policy noeviction")


async def test_it_leaves_nothing_in_the_bucket(waybill: Run, storage: Any) -> None:
    await waybill("doctor")

    assert await storage.objects("doctor/") == ([], False)


async def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LEAST", 2**62)

    assert {line.level for line in await machine.disk()} == {Level.FAIL}


@pytest.mark.parametrize(
    ("date", "level"), [("Sun, 22 Nov 2009 12:00:00 GMT", Level.FAIL), (None, Level.WARN)], ids=["old", "none"]
)
def test_a_clock_that_is_off_is_named(date: str | None, level: Level) -> None:
    assert s3._clock(date).level is level  # noqa: SLF001 - no S3 of ours has another clock


async def test_no_secret_is_shown(waybill: Run, environment: dict[str, str]) -> None:
    environment["WAYBILL_SMTP_URL"] = "smtp://me:hunter2-and-more@127.0.0.1:9"

    result = await waybill("doctor", "--json")

    assert "hunter2" not in result.output
