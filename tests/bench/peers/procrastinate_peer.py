"""procrastinate: no-op jobs from Postgres to a function."""

import asyncio
import sys
import time

import uvloop
from procrastinate import App, PsycopgConnector

CONCURRENCY = 10


async def main(url: str, count: int, within: float) -> tuple[int, float]:
    app = App(connector=PsycopgConnector(conninfo=url, min_size=CONCURRENCY, max_size=CONCURRENCY))

    @app.task  # type: ignore[untyped-decorator]
    async def no_op() -> None:
        pass

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for begin in range(0, count, 10_000):
            await no_op.batch_defer_async(*[{}] * min(10_000, count - begin))
        began = time.perf_counter()
        working = asyncio.create_task(
            app.run_worker_async(
                wait=False,
                concurrency=CONCURRENCY,
                listen_notify=False,
                delete_jobs="always",
                install_signal_handlers=False,
            )
        )
        await asyncio.wait([working], timeout=within)
        took = time.perf_counter() - began
        left = await app.connector.execute_query_one_async("SELECT count(*) FROM procrastinate_jobs")
        if working.done():
            working.result()  # or why it has failed
        working.cancel()
        await asyncio.wait([working])
        return count - left["count"], took


if __name__ == "__main__":
    print(*uvloop.run(main(sys.argv[1], int(sys.argv[3]), float(sys.argv[4]))))
