"""The embedded stack keeps what it was given, belongs to one process, and ends with it."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from infra.embedded import EmbeddedStack, StackError
from infra.services import postgres_user
from infra.services.data_dir import SOCKET_PATH_LIMIT
from infra.streams import connect
from tests.infra.processes import eventually, is_alive

SERVICES = ("postgres", "valkey", "s3", "smtp")
QUICK = {"fsync": "off"}
PARENT = """
import asyncio, pathlib, sys
from infra.embedded import EmbeddedStack

async def main():
    async with EmbeddedStack(pathlib.Path(sys.argv[1]), postgres_settings={"fsync": "off"}) as stack:
        print(*(stack.supervisor.pid(name) for name in ("postgres", "valkey", "s3", "smtp")), flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """One stack for the tests that only look, as a stranger's environment would start it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPORT", "9")
        async with EmbeddedStack(tmp_path_factory.mktemp("running") / "a b%20") as stack:
            yield stack


async def _execute(stack: EmbeddedStack, statement: str) -> object:
    connection = await asyncpg.connect(stack.environment["WAYBILL_DATABASE_URL"])
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


async def test_data_ports_and_keys_survive_a_restart(tmp_path: Path) -> None:
    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        before = stack.environment
        await _execute(stack, "create table kept as select 42 as answer")
        async with connect(before["WAYBILL_REDIS_URL"]) as redis:
            await redis.set("kept", "yes")
        (stack.s3_dir / "waybill" / "kept").write_text("object")

    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        assert stack.environment == before
        assert await _execute(stack, "select answer from kept") == 42
        async with connect(before["WAYBILL_REDIS_URL"]) as redis:
            assert await redis.get("kept") in ("yes", b"yes")
        assert (stack.s3_dir / "waybill" / "kept").read_text() == "object"


async def test_postgres_is_durable_unless_told_otherwise(running: EmbeddedStack) -> None:
    settings = ("fsync", "synchronous_commit", "full_page_writes")

    assert [await _execute(running, f"show {name}") for name in settings] == ["on", "on", "on"]


async def test_one_database_url_serves_asyncpg_and_sqlalchemy_whatever_the_environment(
    running: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "9")
    assert await _execute(running, "select current_database()") == "waybill"
    engine = create_async_engine(
        running.environment["WAYBILL_DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:")
    )
    async with engine.connect() as connection:
        assert await connection.scalar(text("select current_database()")) == "waybill"
    await engine.dispose()


async def test_a_second_stack_on_the_same_data_dir_is_refused(running: EmbeddedStack) -> None:
    with pytest.raises(StackError, match=rf"is in use by another stack \(process {os.getpid()}\): stop that one, or"):
        async with EmbeddedStack(running.data_dir.path):
            pass


async def test_a_long_data_dir_works(tmp_path: Path) -> None:
    long = tmp_path / ("x" * SOCKET_PATH_LIMIT) / ("y" * SOCKET_PATH_LIMIT)
    async with EmbeddedStack(long, postgres_settings=QUICK) as stack:
        assert await _execute(stack, "select 1") == 1
        async with connect(stack.environment["WAYBILL_REDIS_URL"]) as redis:
            assert await redis.ping()


async def test_kill_9_of_the_parent_leaves_nothing_behind_and_a_restart_works(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(tmp_path / "d")), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    children = [int(word) for word in (await parent.stdout.readline()).split()]
    assert len(children) == len(SERVICES)
    parent.kill()
    await parent.wait()

    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        assert not any(map(is_alive, children))
        assert await _execute(stack, "select 1") == 1


async def test_a_service_that_is_killed_comes_back(tmp_path: Path) -> None:
    lines: list[str] = []
    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK, report=lines.append) as stack:
        before = stack.supervisor.pid("valkey")
        os.kill(before, 9)
        await eventually(lambda: stack.supervisor.pid("valkey") != before)

    assert lines[0].startswith("valkey was ended by SIGKILL")


async def test_a_postmaster_pid_file_that_names_a_living_stranger_does_not_block(tmp_path: Path) -> None:
    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK):
        pass
    pid_file = tmp_path / "d" / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{tmp_path}\n0\n5432\n.\n\n1 1\nready\n")

    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        assert await _execute(stack, "select 1") == 1


async def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "d" / "postgres.new" / "base").mkdir(parents=True)

    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        assert await _execute(stack, "select 1") == 1


@pytest.mark.parametrize(
    ("version", "complaint"),
    [(None, "is not a Postgres data directory"), ("16\n", "was written by Postgres 16, this is 18")],
)
async def test_a_cluster_that_is_not_ours_is_one_clear_line(
    tmp_path: Path, version: str | None, complaint: str
) -> None:
    (tmp_path / "postgres").mkdir()
    if version:
        (tmp_path / "postgres" / "PG_VERSION").write_text(version)

    with pytest.raises(StackError, match=complaint):
        async with EmbeddedStack(tmp_path):
            pass


async def test_a_data_dir_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "d").touch()

    with pytest.raises(StackError, match="cannot be used as data dir: File exists"):
        async with EmbeddedStack(tmp_path / "d"):
            pass


async def test_secrets_are_their_owners_alone(running: EmbeddedStack) -> None:
    for name in ("WAYBILL_LOCAL_KEY_FILE", "WAYBILL_SECRET_KEY_FILE"):
        assert _mode(running.environment[name]) == 0o600
    assert _mode(running.data_dir.path) == 0o700
    assert running.environment["AWS_SECRET_ACCESS_KEY"] not in postgres_user.command_line(running.supervisor.pid("s3"))


async def test_remembered_ports_that_somebody_took_are_replaced(tmp_path: Path) -> None:
    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        taken = stack.environment["WAYBILL_SMTP_URL"]
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", int(taken.rpartition(":")[2]))
    async with server, EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        assert stack.environment["WAYBILL_SMTP_URL"] != taken


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as another user")
async def test_root_changes_no_mode_outside_the_data_dir(tmp_path: Path) -> None:
    before = [directory.stat().st_mode for directory in (tmp_path, *tmp_path.parents)]
    async with EmbeddedStack(tmp_path / "d", postgres_settings=QUICK) as stack:
        owner = psutil.Process(stack.supervisor.pid("postgres")).uids().effective

        assert owner == (tmp_path / "d" / "postgres").stat().st_uid != 0
    assert [directory.stat().st_mode for directory in (tmp_path, *tmp_path.parents)] == before
