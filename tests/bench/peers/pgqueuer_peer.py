"""pgqueuer: no-op jobs from Postgres to a function, by the settings of its own benchmark."""

import asyncio
import sys
import time

import asyncpg
import uvloop
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

BATCH = 1000


async def main(url: str, count: int, within: float) -> tuple[int, float]:
    async with asyncpg.create_pool(url, min_size=4, max_size=8) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        await queries.install()
        for begin in range(0, count, 10_000):
            size = min(10_000, count - begin)
            await queries.enqueue(["no_op"] * size, [None] * size, [0] * size)
        manager = QueueManager(queries)

        @manager.entrypoint("no_op")  # type: ignore[untyped-decorator]
        async def no_op(job: Job) -> None:
            pass

        began = time.perf_counter()
        working = asyncio.create_task(manager.run(batch_size=BATCH, mode=QueueExecutionMode.drain))
        await asyncio.wait([working], timeout=within)
        took = time.perf_counter() - began
        left: int = await pool.fetchval("SELECT count(*) FROM pgqueuer")
        manager.shutdown.set()
        await working
        return count - left, took


if __name__ == "__main__":
    print(*uvloop.run(main(sys.argv[1], int(sys.argv[3]), float(sys.argv[4]))))
