"""How long a search takes among a million files, for the owner of a tenth of them: `python -m tests.bench.search`.

Prints the p95 of each filter through HTTP beside that of reading one file, taken in turns, and says which plans read
`files` from end to end. Exits with 1 if a filter takes over five times as long as reading, or if there is such a plan.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from alembic import command
from sqlalchemy import Connection, event

from api.searching import asked
from domain.actor import Actor
from domain.files.filters import Sort
from domain.files.finding import find_files
from domain.files.model import Status
from domain.files.relevance import find_relevant
from infra.database import create_engine
from infra.embedded import EmbeddedStack
from migrations.command import alembic_config
from outbox.session import session_factory
from tests.bench.shelves import COLUMNS, shelves

OWNERS = 2000
MEMORY = {"shared_buffers": "2GB", "maintenance_work_mem": "1GB"}
"""As for any Postgres of this size: the files of a million take 0.9 GB, their indexes 1.1 GB."""
ME = {"email": "bench@example.com", "password": "correct horse battery"}
LIMIT = 5
"""Times the p95 of reading one file."""
SEARCHES: dict[str, dict[str, Any]] = {
    "no filter": {},
    "q, common": {"q": "report"},
    "q, common prefix": {"q": "re"},
    "q, two words": {"q": "invoice fin"},
    "q, rare": {"q": "interview logo"},
    "q, nowhere": {"q": "zzyzx"},
    "q by relevance, common": {"q": "report", "sort": "relevance"},
    "q by relevance, rare": {"q": "interview logo", "sort": "relevance"},
    "name, common": {"name": "REPORT"},
    "name, middling": {"name": "logo"},
    "name, two letters": {"name": "re"},
    "name, one letter of many": {"name": "報"},
    "name, not Latin": {"name": "отч"},
    "name, nowhere": {"name": "zzyzx"},
    "type, common": {"type": "image/"},
    "type, middling": {"type": "model/gltf-binary"},
    "tag, common": {"tag": "report"},
    "tag, middling": {"tag": "sales"},
    "two tags": {"tag": ["sales", "logo"]},
    "min_size": {"min_size": 10**9},
    "max_size": {"max_size": 50},
    "size, narrow": {"min_size": 160_000, "max_size": 161_000},
    "created_after": {"created_after": "2026-09-01T00:00:00Z"},
    "created_before": {"created_before": "2026-02-01T00:00:00Z"},
    "expires_before": {"expires_before": "2029-01-01T00:00:00Z"},
    "status": {"status": "expired"},
    "by name": {"sort": "name"},
    "by size, largest first": {"sort": "-size"},
    "name by size": {"name": "report", "sort": "-size"},
    "all at once": {
        "q": "report",
        "name": "ep",
        "type": "application/",
        "tag": "final",
        "min_size": 10**5,
        "created_after": "2026-02-01T00:00:00Z",
        "sort": "name",
    },
}


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--data-dir", type=Path, default=Path(".waybill-bench"), help="kept, and filled only once")
    given = parser.parse_args()
    async with EmbeddedStack(given.data_dir, postgres_settings=MEMORY) as stack:
        os.environ.update(stack.environment)
        url = stack.environment["WAYBILL_DATABASE_URL"]
        await _migrate(url)
        async with _api() as http:
            await http.post("/v1/accounts", json=ME)
            token = (await http.post("/v1/sessions", json=ME)).raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            owner_id = await _fill(url, given.files)
            slow = await _measure(http, await _some_ids(url, owner_id), given.rounds)
        return int(await _explain(url, owner_id) or slow)


async def _migrate(url: str) -> None:
    engine = create_engine(url, command_timeout=None)

    def upgrade(connection: Connection) -> None:
        command.upgrade(alembic_config(connection), "head")

    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()


@asynccontextmanager
async def _api() -> AsyncIterator[httpx.AsyncClient]:
    """`waybill api` as a process of its own."""
    arguments = ("-m", "waybill", "api", "--port", "18099")
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=nowhere, stderr=nowhere)
    async with httpx.AsyncClient(base_url="http://127.0.0.1:18099", timeout=60) as http:
        try:
            await _answers(http)
            yield http
        finally:
            process.terminate()
            await process.wait()


async def _answers(http: httpx.AsyncClient) -> None:
    for _ in range(600):
        try:
            await http.get("/health/live")
        except httpx.TransportError:
            await asyncio.sleep(0.1)
        else:
            return
    raise TimeoutError("the API does not answer")


async def _fill(url: str, count: int) -> UUID:
    """Whose account has a tenth of the files, once they are there; indexes are built after the rows."""
    connection = await asyncpg.connect(url)
    owner_id: UUID = await connection.fetchval("SELECT id FROM accounts WHERE email = $1", ME["email"])
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM files)"):
        started, chance = time.perf_counter(), random.Random(7)  # noqa: S311 - reproducible, not secret
        owners = [UUID(int=chance.getrandbits(128)) for _ in range(OWNERS)]
        accounts = "INSERT INTO accounts (id, email, password_hash, created_at) VALUES ($1, $1::uuid::text, '', now())"
        await connection.executemany(accounts, [(owner,) for owner in owners])
        ours = "tablename = 'files' AND indexname LIKE 'ix_%'"
        indexes = await connection.fetch(f"SELECT indexname, indexdef FROM pg_indexes WHERE {ours}")
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        lines = shelves(chance, count=count, big_owner=owner_id, owners=owners)
        await connection.copy_to_table("files", source=_blocks(lines), columns=COLUMNS, format="text")
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute("VACUUM ANALYZE files")
        print(f"{count} files in {time.perf_counter() - started:.0f} s")
    await connection.execute("SELECT sum(length(search)) FROM files")  # all of it in memory
    await connection.close()
    return owner_id


async def _blocks(lines: Any) -> AsyncIterator[bytes]:
    block: list[bytes] = []
    for line in lines:
        block.append(line)
        if len(block) == 1000:
            yield b"".join(block)
            block = []
    yield b"".join(block)


async def _some_ids(url: str, owner_id: UUID) -> list[UUID]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT id FROM files WHERE owner_id = $1 LIMIT 1000", owner_id)
    await connection.close()
    return [row["id"] for row in rows]


async def _measure(http: httpx.AsyncClient, ids: list[UUID], rounds: int) -> bool:
    """Whether a filter is too slow. Reading one file is measured beside every search, so that load hits both alike."""
    reading: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in SEARCHES}
    found: dict[str, int] = {}
    for number in range(rounds + 3):
        for name, query in SEARCHES.items():
            read, _ = await _timed(http, f"/v1/files/{random.choice(ids)}", {})  # noqa: S311
            seconds, body = await _timed(http, "/v1/files", query)
            if number >= 3:  # plans are made and caches warm by then
                reading.append(read)
                taken[name].append(seconds)
                found[name] = len(body["items"])
    base = _p95(reading)
    print(f"\n{'':28}{'found':>6}{'median':>9}{'p95':>9}{'ratio':>7}\n{'GET /v1/files/{id}':34}{_row(reading, base)}")
    for name, searching in taken.items():
        print(f"{name:28}{found[name]:>6}{_row(searching, base)}")
    return any(_p95(searching) > LIMIT * base for searching in taken.values())


async def _timed(http: httpx.AsyncClient, path: str, query: dict[str, Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    response = await http.get(path, params=query)
    return time.perf_counter() - started, response.raise_for_status().json()


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


def _row(seconds: list[float], base: float) -> str:
    median = sorted(seconds)[len(seconds) // 2]
    return f"{median * 1000:>6.1f} ms{_p95(seconds) * 1000:>6.1f} ms{_p95(seconds) / base:>7.1f}"


async def _explain(url: str, owner_id: UUID) -> int:
    """How many statements of all searches read `files` from end to end."""
    engine, actor, sequential = create_engine(url), Actor(account_id=owner_id), 0
    seen: list[tuple[str, Any]] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: seen.append(given[2:4]))
    for name, query in SEARCHES.items():
        search = asked(**_typed(query))
        async with session_factory(engine)() as session:
            find: Any = find_relevant if search.sort is Sort.RELEVANCE else find_files
            await find(session, actor, search, after=None, limit=51)
            statements = [each for each in seen if not each[0].startswith("SET")]
            connection = await session.connection()
            for statement, values in statements:
                plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
                if "Seq Scan on files" in (text := "\n".join(row[0] for row in plan)):
                    sequential += 1
                    print(f"{name} reads all files:\n{text}")
        seen.clear()
    await engine.dispose()
    print(f"\n{sequential} plans with a sequential scan over files")
    return sequential


def _typed(query: dict[str, Any]) -> dict[str, Any]:
    """As the route would have read it."""
    read: dict[str, Any] = {"sort": Sort, "status": Status, "tag": lambda tag: [tag] if isinstance(tag, str) else tag}
    read |= dict.fromkeys(("created_after", "created_before", "expires_before"), datetime.fromisoformat)
    typed = {name: read[name](value) if name in read else value for name, value in query.items()}
    return {f"{name}_" if name == "type" else name: value for name, value in typed.items()}


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
