"""Where an item is measured: the embedded stack as `waybill up` starts it, with databases of its own."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg

from infra.services.data_dir import DataDir
from migrations.command import newest

DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
FRESH = "bench_"
KEPT = "kept_"


@dataclass(frozen=True)
class Place:
    environment: Mapping[str, str]
    """Of a process that uses the stack."""
    directory: Path
    """The stack's own; what lies in it is kept from run to run."""

    @property
    def data_dir(self) -> DataDir:
        return DataDir(self.directory)

    @property
    def redis_url(self) -> str:
        return self.environment["WAYBILL_REDIS_URL"]

    def with_database(self, url: str) -> dict[str, str]:
        """The same environment on another database."""
        return {**self.environment, "WAYBILL_DATABASE_URL": url}

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a fresh one, migrated and empty; gone afterwards."""
        name = f"{FRESH}{uuid4().hex}"
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE waybill')
        yield self._url(name)
        await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def kept(self, name: str, fill: Callable[[str], Awaitable[None]]) -> str:
        """The URL of one that is filled once for each schema; under its name it is whole."""
        name = f"{KEPT}{name}_{newest()}"
        if name not in await self.databases():
            being_filled = f"{FRESH}{uuid4().hex}"
            await self._execute(f'CREATE DATABASE "{being_filled}" TEMPLATE waybill')
            await fill(self._url(being_filled))
            await self._execute("CHECKPOINT", f'ALTER DATABASE "{being_filled}" RENAME TO "{name}"')
        return self._url(name)

    async def tidy(self) -> None:
        """Drop what an earlier run left behind, and what was filled for another schema."""
        stale = [name for name in await self.databases() if name.startswith((FRESH, KEPT)) and not _is_kept(name)]
        await self._execute(*(f'DROP DATABASE "{name}" WITH (FORCE)' for name in stale))

    async def durability(self) -> dict[str, str]:
        """What the server says of it; an item is measured only where all of it is on."""
        connection = await asyncpg.connect(self._url("waybill"))
        try:
            return {name: await connection.fetchval(f"SHOW {name}") for name in DURABILITY}
        finally:
            await connection.close()

    async def databases(self) -> list[str]:
        connection = await asyncpg.connect(self._url("postgres"))
        try:
            return [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]
        finally:
            await connection.close()

    def _url(self, database: str) -> str:
        return re.sub(r"/[^/?]+\?", f"/{database}?", self.environment["WAYBILL_DATABASE_URL"])

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


def _is_kept(name: str) -> bool:
    return name.startswith(KEPT) and name.endswith(f"_{newest()}")
