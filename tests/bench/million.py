"""A database with a million files of 2,000 owners and one more, who has a tenth of them."""

import random
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import asyncpg

from tests.bench.shelves import COLUMNS, shelves

FILES = 1_000_000
OWNERS = 2000
BIG_OWNER = UUID("018cc251-f400-7000-8000-000000000001")
OURS = "tablename = 'files' AND indexname LIKE 'ix_%'"
ACCOUNT = "INSERT INTO accounts (id, email, password_hash, created_at) VALUES ($1, $1::uuid::text, '', now())"


async def fill(url: str) -> None:
    """Indexes are built after the rows."""
    chance = random.Random(7)  # noqa: S311 - reproducible, not secret
    owners = [UUID(int=chance.getrandbits(128)) for _ in range(OWNERS)]
    connection = await asyncpg.connect(url)
    await connection.executemany(ACCOUNT, [(owner,) for owner in (BIG_OWNER, *owners)])
    indexes = await connection.fetch(f"SELECT indexname, indexdef FROM pg_indexes WHERE {OURS}")
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    lines = shelves(chance, count=FILES, big_owner=BIG_OWNER, owners=owners)
    await connection.copy_to_table("files", source=_blocks(lines), columns=COLUMNS, format="text")
    for index in indexes:
        await connection.execute(index["indexdef"])
    await connection.execute("VACUUM ANALYZE files")
    await connection.close()


async def _blocks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    block: list[bytes] = []
    for line in lines:
        block.append(line)
        if len(block) == 1000:
            yield b"".join(block)
            block = []
    yield b"".join(block)
