"""The real processes, on a fresh database and an empty Redis, supervised as `waybill up` does it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from api.tokens import AccessTokens
from consumers.subscription import discover
from domain.accounts.model import Account
from domain.sessions.model import Session
from infra.keyring import local_keys
from infra.services.data_dir import DataDir
from infra.settings import Settings
from infra.supervision.supervisor import Backoff, Supervisor
from infra.up.processes import Programs
from tests.database import Database
from tests.factories import an_account

STREAM = "waybill:files"
PAIRS = [(consumer.name, type_) for consumer in discover().values() for type_ in consumer.event_types]
UNFINISHED = """
SELECT 1 FROM outbox
JOIN unnest(CAST(:consumers AS text[]), CAST(:types AS text[])) AS wanted (consumer, type) USING (type)
LEFT JOIN deliveries ON deliveries.consumer = wanted.consumer AND deliveries.position = outbox.position
WHERE deliveries.state IS NULL OR deliveries.state NOT IN ('done', 'dead')
LIMIT 1
"""


@dataclass
class House:
    """What runs, and how to look at it and break it."""

    programs: Programs
    supervisor: Supervisor
    port: int
    http: httpx.AsyncClient
    database: Database
    redis: Redis
    account: Account

    async def start(self, *names: str) -> None:
        programs = [self.programs.api(self.port) if name == "api" else self.programs.named(name) for name in names]
        await self.supervisor.start(*programs)

    def kill(self, name: str) -> None:
        """As the kernel does when memory runs out: no goodbye. The supervisor starts it again."""
        os.kill(self.supervisor.pid(name), signal.SIGKILL)

    async def upload(self, name: str, content: Any) -> httpx.Response:
        return await self.http.post("/v1/files", files={"file": (name, content)})

    async def until(self, holds: Callable[[], Awaitable[object]], *, within: float = 60) -> None:
        """Look again and again, until it holds."""
        async with asyncio.timeout(within):
            while not await holds():  # noqa: ASYNC110 - other processes set no event of ours
                await asyncio.sleep(0.01)

    async def all_are_available(self) -> bool:
        return not await self.database.rows("SELECT 1 FROM files WHERE status <> 'available'")

    async def all_is_published(self) -> bool:
        """Every event has its position, and the stream has as many entries as the outbox has rows for it."""
        query = "SELECT count(*), count(position) FROM outbox WHERE stream = :s"
        ((written, sequenced),) = await self.database.rows(query, s=STREAM)
        return bool(written == sequenced == await self.redis.xlen(STREAM))

    async def nothing_is_open(self) -> bool:
        """All is published, and every event has ended for every consumer of its type."""
        consumers, types = zip(*PAIRS, strict=True)
        still_open = await self.database.rows(UNFINISHED, consumers=list(consumers), types=list(types))
        return not still_open and await self.all_is_published()

    async def assert_the_stream_is_the_outbox(self) -> None:
        """Nothing is missing, doubled or out of order: position by position, the same event with the same data."""
        found: Any = await self.redis.xrange(STREAM)
        entries = [(int(f[b"sequence"]), f[b"id"].decode(), f[b"data"].decode()) for _, f in found]
        query = "SELECT position, event_id::text, data::text FROM outbox WHERE stream = :s ORDER BY position"
        assert entries == [tuple(row) for row in await self.database.rows(query, s=STREAM)]


@pytest.fixture
async def house(
    environment: Mapping[str, str], settings: Settings, database: Database, redis: Redis, tmp_path: Path
) -> AsyncIterator[House]:
    data_dir = DataDir.prepare(tmp_path)
    port = data_dir.port("api")
    url = f"http://127.0.0.1:{port}"
    env = {**os.environ, **environment, "WAYBILL_PUBLIC_URL": url}
    account = await database.save(an_account())
    tokens = AccessTokens(local_keys(settings), issuer=url)
    async with database.sessions.begin() as session:
        session.add(begun := Session.begin(account.id, user_agent=None))
    headers = {"Authorization": f"Bearer {tokens.issue(account.id, begun.id).token}"}
    async with (
        Supervisor(backoff=Backoff(first=0.05)) as supervisor,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http,
    ):
        yield House(Programs(data_dir, env), supervisor, port, http, database, redis, account)
