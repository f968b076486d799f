"""The search for secrets finds what is there to be found."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.database import Database
from tests.secrecy import found_in_database, found_in_logs, found_in_redis

PLANTED = [
    "v4.local." + "x" * 40,
    "k4.secret." + "x" * 40,
    "http://waybill/s/ws_" + "x" * 43,
    "https://s3/key?X-Amz-Signature=abc",
    "correct horse battery",
]


@pytest.mark.parametrize("planted", PLANTED)
async def test_secrets_are_found_as_text_and_as_bytes(planted: str, database: Database) -> None:
    await database.execute("CREATE TABLE planted (words text, bytes bytea, data jsonb)")
    assert await found_in_database(database.url) == []
    for column, value in (("words", ":x"), ("bytes", "convert_to(:x, 'UTF8')"), ("data", "to_jsonb(CAST(:x AS text))")):
        await database.execute(
            f"INSERT INTO planted ({column}) VALUES ({value})",  # noqa: S608 - our own words
            x=f"before {planted} after",
        )

        assert len(await found_in_database(database.url)) == 1

        await database.execute("DELETE FROM planted")


@pytest.mark.parametrize("planted", PLANTED)
async def test_secrets_are_found_in_redis(planted: str, redis: Redis) -> None:
    await redis.xadd("stream", {"data": planted})
    await redis.lpush(planted, "x")

    assert len(await found_in_redis(redis)) == 2

    await redis.flushall()


def test_secrets_are_found_in_logs(tmp_path: Path) -> None:
    log = tmp_path / "log" / "api.log"
    log.parent.mkdir()
    log.write_text(f"a line\npassword={PLANTED[-1]} $argon2id$v=19$x\n")

    assert len(found_in_logs(tmp_path)) == 2
    assert len(found_in_logs(tmp_path, ["a line"])) == 3

    log.unlink()
