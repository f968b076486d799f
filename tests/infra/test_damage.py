"""A damaged data dir is one line that names the file and what to do; what can be mended by itself is mended."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from infra.embedded import EmbeddedStack, StackError
from infra.services.data_dir import DataDir
from infra.streams import connect

QUICK = {"fsync": "off"}
A_DIRECTORY = "a directory"
MISSING = None


@contextlib.asynccontextmanager
async def _running(data_dir: Path, lines: list[str]) -> AsyncIterator[Redis]:
    """Inside, a stack runs; `lines` gets what it reports."""
    stack = EmbeddedStack(data_dir, postgres_settings=QUICK, report=lines.append)
    async with stack, connect(stack.environment["WAYBILL_REDIS_URL"]) as redis:
        yield redis


@pytest.fixture(scope="module")
async def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data dir that a stack has left in order."""
    path = tmp_path_factory.mktemp("used")
    async with _running(path, []) as redis:
        await redis.set("kept", "yes")
    return path


@contextlib.contextmanager
def _damaged(path: Path, content: bytes | str | None) -> Iterator[None]:
    """Inside, the file or directory is something else, with the same owner and mode."""
    whole = path.with_name(f"{path.name}.whole")
    path.rename(whole)
    try:
        if isinstance(content, bytes):
            path.write_bytes(content)
            shutil.copymode(whole, path)
            os.chown(path, whole.stat().st_uid, whole.stat().st_gid)
        elif content is A_DIRECTORY:
            path.mkdir()
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        whole.rename(path)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("postgres/PG_VERSION", b"", "PG_VERSION is damaged: restore {} from a backup, or remove it"),
        ("postgres/PG_VERSION", b"\xff\x00", "PG_VERSION is damaged: restore"),
        ("postgres/PG_VERSION", MISSING, "is not a Postgres data directory .*: restore {} from a backup"),
        (
            "postgres/global/pg_control",
            MISSING,
            'could not open file "{}/postgres/global/pg_control".*; if .* restore {}',
        ),
        ("postgres/global/pg_control", b"\xde\xad" * 4096, "files are incompatible.*; if .* restore {} from a backup"),
        ("postgres/base/5", MISSING, "postgres cannot be used .*base/5.* is missing.*; restore {} from a backup"),
        ("keys/local.key", b"\xff", "{}/keys/local.key is damaged: restore it from a backup, or remove it"),
        ("keys/secret.key", b"k4.secret.AAAA", "{}/keys/secret.key is damaged"),
        ("keys/secret.key", A_DIRECTORY, "{}/keys/secret.key: Is a directory; .* move that directory"),
        ("keys/s3.json", b'{"a": 1}', "{}/keys/s3.json is damaged"),
        ("s3", b"", "{}/s3: File exists; .* move that file out of the way"),
        ("s3/waybill", b"", "{}/s3/waybill: File exists"),
        ("ports.json", A_DIRECTORY, "{}/ports.json: Is a directory"),
        ("lock", A_DIRECTORY, "{}/lock: Is a directory"),
    ],
)
async def test_damage_is_one_line_that_names_the_file_and_leaves_nothing_running(
    used: Path, name: str, content: bytes | str | None, complaint: str
) -> None:
    with _damaged(used / name, content), pytest.raises(StackError, match=complaint.replace("{}", str(used))) as refused:
        async with EmbeddedStack(used, postgres_settings=QUICK):
            pass

    assert "\n" not in str(refused.value)
    os.close(DataDir(used).lock())  # nobody who inherited it is left


async def test_a_key_that_others_can_read_is_refused(used: Path) -> None:
    key = used / "keys" / "local.key"
    key.chmod(0o644)
    with pytest.raises(StackError, match=rf"{key} is open to other users: chmod 600 it"):
        async with EmbeddedStack(used, postgres_settings=QUICK):
            pass
    key.chmod(0o600)


async def test_a_cut_tail_garbage_in_caches_and_a_lost_key_stop_nothing(used: Path) -> None:
    (used / "ports.json").write_bytes(b'{"s3": "\xff", "smtp": 99999999}')
    (used / "environment.json").write_bytes(b"\xff{")
    (used / "lock").write_bytes(b"\xff\xfe")
    (used / "keys" / "local.key").unlink()
    (incremental,) = (used / "valkey" / "appendonlydir").glob("*.incr.aof")
    with incremental.open("ab") as log:
        log.write(b"*3\r\n$3\r\nSET\r\n$4\r\nke")  # as a power cut leaves it

    lines: list[str] = []
    async with _running(used, lines) as redis:
        assert await redis.get("kept") == b"yes"

    assert lines == [f"{used}/keys/local.key was missing, so a new key was made: access tokens issued so far end"]


async def test_an_append_only_file_that_valkey_cannot_read_is_set_aside_whole(used: Path) -> None:
    kept = used / "valkey" / "appendonlydir"
    (kept / "appendonly.aof.manifest").write_bytes(b"\x00\xffgarbage\n")
    before = {path.name: path.read_bytes() for path in kept.iterdir()}

    lines: list[str] = []
    async with _running(used, lines) as redis:
        assert await redis.dbsize() == 0

    (aside,) = kept.parent.glob("appendonlydir.corrupt-*")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == before
    assert len(lines) == 1
    assert lines[0].startswith(f"valkey could not read {kept}, so it was set aside as {aside.name}")
