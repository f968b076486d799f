"""What a thousand that listen and hear nothing cost one API process, and whoever asks it for something else.

pytest tests/bench/test_streams.py -m slow -s
"""

import asyncio
import resource
import threading
from collections.abc import AsyncIterator
from statistics import quantiles

import psutil
import pytest

from tests.bench.test_login import ask_until
from tests.journey.conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STREAMS = 1000
SECONDS = 40
"""Two heartbeats of each."""
MIB = 1024 * 1024


@pytest.fixture
async def listeners(house: House) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Plain sockets: a thousand of a client library would be a bench of that."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    await house.start("api")
    opened = [await _listen(house) for _ in range(STREAMS)]
    yield [reader for reader, _ in opened]
    for _, writer in opened:
        writer.close()


async def _listen(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    authorization = house.http.headers["Authorization"]
    writer.write(f"GET /v1/events/stream HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return reader, writer


async def test_a_thousand_idle_listeners_cost_little(listeners: list[asyncio.StreamReader], house: House) -> None:
    process, done = psutil.Process(house.supervisor.pid("api")), threading.Event()
    asking = asyncio.create_task(asyncio.to_thread(ask_until, done, "127.0.0.1", house.port))
    before = process.cpu_times().user
    await asyncio.sleep(SECONDS)
    cpu = (process.cpu_times().user - before) / SECONDS
    done.set()
    took = await asking
    rss, p99 = process.memory_info().rss / MIB, 1000 * quantiles(took, n=100)[98]

    print(
        f"\n{STREAMS} idle streams: {rss:.0f} MiB resident, {100 * cpu:.0f} % of a core;"
        f" /health/live {len(took)} times, p99 {p99:.1f} ms, worst {1000 * max(took):.1f} ms"
    )
    heard = [await reader.read(4096) for reader in listeners]
    assert all(b": still here" in each for each in heard)
    assert rss < 250
    assert p99 < 50
