"""faststream-outbox: rows of its outbox to a Redis stream."""

import asyncio
import sys
import time
from typing import Any

import uvloop
from faststream.redis import RedisBroker, StreamSub
from faststream_outbox import OutboxBroker, make_outbox_table
from redis.asyncio import Redis
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

STREAM = "peer:faststream-outbox"


async def main(url: str, redis_url: str, count: int, within: float) -> tuple[int, float]:
    metadata = MetaData()
    table = make_outbox_table(metadata, table_name="peer_outbox")
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"), pool_size=20)
    outbox, redis = OutboxBroker(engine, outbox_table=table, logger=None), RedisBroker(redis_url)

    @redis.publisher(stream=StreamSub(STREAM))
    @outbox.subscriber(  # type: ignore[untyped-decorator]
        "jobs", max_workers=8, fetch_batch_size=1000, min_fetch_interval=0.01, terminal_flush_batch_size=100
    )
    async def relay(body: dict[str, Any]) -> dict[str, Any]:
        return body

    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        for begin in range(0, count, 1000):
            bodies = [{"number": begin + each} for each in range(min(1000, count - begin))]
            await outbox.publish_batch(*bodies, queue="jobs", session=connection)
    await redis.connect()
    client = Redis.from_url(redis_url)
    await client.delete(STREAM)
    began = time.perf_counter()
    await outbox.start()
    while (done := await client.xlen(STREAM)) < count and time.perf_counter() - began < within:  # noqa: ASYNC110
        await asyncio.sleep(0.02)  # Redis sets no event
    took = time.perf_counter() - began
    await outbox.stop()
    await redis.stop()
    await client.aclose()
    await engine.dispose()
    return done, took


if __name__ == "__main__":
    print(*uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
