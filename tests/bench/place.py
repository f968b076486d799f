"""Where an item is measured: the embedded stack as `waybill up` starts it, with databases of its own."""

import hashlib
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import asyncpg

from infra.connection import connect
from infra.services.data_dir import DataDir
from migrations.command import newest

DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
FRESH = "bench_"
KEPT = "kept_"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose statements may take as long as they like."""
    connection = await connect(url, application_name="bench", command_timeout=None)
    try:
        await connection.execute("SET statement_timeout = 0")
        yield connection
    finally:
        await connection.close()


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
        try:
            yield self._url(name)
        finally:
            await self._execute(_drop(name))

    async def kept(self, name: str, fill: Callable[[str], Awaitable[None]], *made_by: ModuleType) -> str:
        """The URL of one that is filled once for each schema, and once for each change of these modules.

        Under its name it is whole; those that were filled before a change are gone.
        """
        kind, made = f"{KEPT}{name}_", "".join([newest(), *map(inspect.getsource, made_by)])
        name = kind + hashlib.sha256(made.encode()).hexdigest()[:12]
        if name not in (there := await self.databases()):
            being_filled = f"{FRESH}{uuid4().hex}"
            await self._execute(*map(_drop, filter(lambda each: each.startswith(kind), there)))
            await self._execute(f'CREATE DATABASE "{being_filled}" TEMPLATE waybill')
            await fill(self._url(being_filled))
            await self._execute("CHECKPOINT", f'ALTER DATABASE "{being_filled}" RENAME TO "{name}"')
        return self._url(name)

    async def tidy(self) -> None:
        """Drop what an earlier run left behind."""
        await self._execute(*map(_drop, filter(lambda each: each.startswith(FRESH), await self.databases())))

    async def durability(self) -> dict[str, str]:
        """What the server says of it; an item is measured only where all of it is on."""
        async with connected(self._url("waybill")) as connection:
            return {name: await connection.fetchval(f"SHOW {name}") for name in DURABILITY}

    async def databases(self) -> list[str]:
        async with connected(self._url("postgres")) as connection:
            return [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]

    def _url(self, database: str) -> str:
        return re.sub(r"/[^/?]+\?", f"/{database}?", self.environment["WAYBILL_DATABASE_URL"])

    async def _execute(self, *statements: str) -> None:
        async with connected(self._url("postgres")) as connection:
            for statement in statements:
                await connection.execute(statement)


def _drop(name: str) -> str:
    return f'DROP DATABASE "{name}" WITH (FORCE)'
