"""Rows by the million, as a dump is loaded: a table is filled in one transaction, its indexes built at the end of it.

On a Postgres with these settings such a transaction writes next to no log: its files are synced when it commits. What a
crash leaves is not used.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.bench.place import connected

POSTGRES = {"wal_level": "minimal", "max_wal_senders": "0", "full_page_writes": "off", "shared_buffers": "1GB"}
MEMORY = {"shared_buffers": "2GB"}
"""As for any Postgres with so many rows: ours is set for a small one."""
SETTINGS = """
SET maintenance_work_mem = '512MB'; SET work_mem = '256MB';
SET session_replication_role = replica  -- no triggers, and no look for what a row refers to
"""
# A key that another table refers to stays.
INDEXES = """
SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS definition,
    conname AS key, pg_get_constraintdef(own.oid) AS key_definition
FROM pg_index LEFT JOIN pg_constraint own ON own.conindid = indexrelid AND own.contype IN ('p', 'u')
WHERE indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype = 'f')
"""


@asynccontextmanager
async def filled(url: str, table: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to put rows into this table, which is empty then, as is all that refers to it."""
    async with connected(url) as connection:
        await connection.execute(SETTINGS)
        async with connection.transaction():
            await connection.execute(f"TRUNCATE {table} CASCADE")
            made_again = await _without_indexes(connection, table)
            yield connection
            for statement in made_again:
                await connection.execute(statement)
        await connection.execute(f"VACUUM (FREEZE, ANALYZE, INDEX_CLEANUP off) {table}")


async def _without_indexes(connection: asyncpg.Connection, table: str) -> list[str]:
    """Drop them. Returns what makes them again."""
    made_again = []
    for index in await connection.fetch(INDEXES, table):
        if index["key"]:
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {index['key']}")
            made_again.append(f"ALTER TABLE {table} ADD CONSTRAINT {index['key']} {index['key_definition']}")
        else:
            await connection.execute(f"DROP INDEX {index['name']}")
            made_again.append(index["definition"])
    return made_again
