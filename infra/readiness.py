"""A process that is ready while the services it stands on answer, and nobody has told it to stop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping

from sqlalchemy import text

from infra import streams
from infra.database import create_engine
from infra.health import WELL, Check, answers
from infra.monitoring import View, monitored
from infra.settings import Settings


@contextlib.asynccontextmanager
async def services_monitored(
    monitor: socket.socket | None, settings: Settings, stop: asyncio.Event, *, redis: bool = True
) -> AsyncIterator[None]:
    """Inside, such a process can be seen on a bound socket; see `monitored`."""
    engine = create_engine(settings.database_url, application_name="waybill-monitor", pool_size=1)
    client = streams.connect(settings.redis_url)

    async def postgres() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def checks() -> Mapping[str, Check]:
        found = {"process": Check(ok=False, error="is stopping") if stop.is_set() else WELL}
        found["postgres"] = await answers(postgres())
        if redis:
            found["redis"] = await answers(client.ping())
        return found

    try:
        async with monitored(monitor, View(checks)):
            yield
    finally:
        await client.aclose()
        await engine.dispose()
