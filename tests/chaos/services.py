"""What can happen to the services themselves."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.embedded import EmbeddedStack
from tests.database import Database
from tests.infra.processes import eventually, is_alive

AOF = "appendonlydir"


async def restart_postgres(stack: EmbeddedStack, database: Database) -> None:
    """As `pg_ctl stop -m immediate` does: no checkpoint, every session gone; it recovers from its log."""
    pid = stack.supervisor.pid("postgres")
    os.kill(pid, signal.SIGQUIT)
    await eventually(lambda: not is_alive(pid))
    await database.engine.dispose()
    await _until_it_answers(database.url)


@asynccontextmanager
async def postgres_paused(stack: EmbeddedStack) -> AsyncIterator[None]:
    """Inside, it holds its connections, takes new ones, and says nothing."""
    postmaster = psutil.Process(stack.supervisor.pid("postgres"))
    postmaster.suspend()
    processes = [*postmaster.children(), postmaster]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def _until_it_answers(url: str) -> None:
    while True:
        try:
            await (await asyncpg.connect(url)).close()
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
        else:
            return


async def kill_redis(stack: EmbeddedStack, restored: Path | None) -> None:
    """It starts again with what was kept before, or with nothing."""
    directory = stack.valkey_dir / AOF
    pid = stack.supervisor.pid("valkey")
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not is_alive(pid))
    shutil.rmtree(directory)
    if restored is not None:
        shutil.copytree(restored, directory)


async def keep_redis(stack: EmbeddedStack, redis: Redis, to: Path) -> Path:
    """A copy of what Redis has on disk: an RDB file with the groups in it, and a log of what came after."""
    await redis.bgrewriteaof()
    while (await redis.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 - Redis sets no event
        await asyncio.sleep(0.01)
    return Path(shutil.copytree(stack.valkey_dir / AOF, to))


async def until_redis_answers(redis: Redis) -> None:
    while True:
        with suppress(RedisError, OSError):
            if await redis.ping():
                return
        await asyncio.sleep(0.05)
