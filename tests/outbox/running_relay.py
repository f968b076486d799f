"""A relay at work in this process, with its monitor, and what the monitor shows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from domain.catalogue import STREAMS
from infra import streams
from infra.listening import bound
from infra.monitoring import monitored
from outbox.relay import run
from outbox.relay_health import RelayHealth
from outbox.relay_metrics import view

PATIENCE = 20.0


async def until(there: Callable[[], Awaitable[Any]]) -> Any:
    """Look again and again, until there is something."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await there()):  # noqa: ASYNC110 - what we look at sets no event
            await asyncio.sleep(0.01)
    return found


@dataclass
class Monitor:
    http: httpx.AsyncClient
    relaying: asyncio.Task[None]

    async def readiness(self) -> tuple[int, Any]:
        response = await self.http.get("/health/ready")
        return response.status_code, response.json()

    async def until_ready(self, *, ready: bool = True) -> Any:
        """Look again and again, until it is; returns the answer."""

        async def there() -> Any:
            status, readiness = await self.readiness()
            return readiness if status == (200 if ready else 503) else None

        return await until(there)

    async def until_told(self, part: str, error: str) -> Any:
        """Until this is said of a part; returns the answer."""

        async def there() -> Any:
            _, readiness = await self.readiness()
            return readiness if error in readiness["checks"][part].get("error", "") else None

        return await until(there)

    async def until_relayed(self, entries: int) -> dict[str, float]:
        """Until so many have been appended; returns the figures."""

        async def there() -> Any:
            figures = await self.figures()
            return figures if figures["entries_total"] >= entries else None

        return await until(there)  # type: ignore[no-any-return]

    async def figures(self) -> dict[str, float]:
        """Of the relay, by name; by name and stream where there is one figure for each."""
        text = (await self.http.get("/metrics")).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {
            ":".join([sample.name.removeprefix("waybill_relay_"), *sample.labels.values()]): sample.value
            for sample in samples
            if sample.name.startswith("waybill_relay_")
        }


@contextlib.asynccontextmanager
async def running_relay(database_url: str, redis_url: str) -> AsyncIterator[Monitor]:
    listener = bound("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop, health, redis = asyncio.Event(), RelayHealth(), streams.connect(redis_url)
    async with (
        monitored(listener, view(health, database_url, redis, STREAMS)),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http,
    ):
        relaying = asyncio.create_task(run(database_url, redis, STREAMS, stop, health))
        yield Monitor(http, relaying)
        stop.set()
        await asyncio.gather(relaying, return_exceptions=True)
    await redis.aclose()
