"""What must never be written anywhere, and where to look for it."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

SIGNS = (
    r"v4\.(local|public)\.[A-Za-z0-9_-]{20}",  # tokens
    r"k4\.(local|secret)\.[A-Za-z0-9_-]{20}",  # keys
    r"ws_[A-Za-z0-9_-]{43}",  # links of shares
    r"X-Amz-Signature",  # presigned URLs
    r"correct horse",  # every password of the tests begins so
)
SECRET = re.compile("|".join(f"(?:{sign})" for sign in SIGNS))
HASH = re.compile(r"\$argon2id\$")
"""Its only places are the tables of accounts and shares."""
SEALED = ("commands", "sealed_response")
"""The one column that holds what is encrypted."""

COLUMNS = """
SELECT relname::text AS table, array_agg(attname::text) FILTER (WHERE atttypid = 'bytea'::regtype) AS bytes
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition GROUP BY relname
"""


def found_in_text(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """What is secret in it, with a little of what stands around it."""
    patterns = [SECRET, HASH, *(re.compile(re.escape(secret)) for secret in secrets)]
    return [_around(text, match) for pattern in patterns for match in pattern.finditer(text)]


def found_in_logs(directory: Path, secrets: Iterable[str] = ()) -> list[str]:
    """In every log file below."""
    files = [path for path in directory.rglob("*.log*") if path.is_file()]
    return [f"{path}: {found}" for path in files for found in found_in_text(path.read_text(errors="replace"), secrets)]


async def found_in_database(url: str, secrets: Iterable[str] = ()) -> list[str]:
    """In every column of every table."""
    pattern = "|".join([*(f"({sign})" for sign in SIGNS), *map(re.escape, secrets)])
    connection = await asyncpg.connect(url, command_timeout=30)
    try:
        tables = await connection.fetch(COLUMNS)
        query = " UNION ALL ".join(map(_query, tables))
        return [f"{row['name']}: {row['row']}" for row in await connection.fetch(query, pattern)]
    finally:
        await connection.close()


async def found_in_redis(redis: Redis, secrets: Iterable[str] = ()) -> list[str]:
    """In every key and whatever it holds."""
    held = [(key, await _held(redis, key)) for key in await redis.keys()]
    return found_in_text(repr(held), secrets)


def _query(table: asyncpg.Record) -> str:
    """Rows as text, and what is bytes in them read as text too."""
    name = table["table"]
    readable = [f"encode(\"{column}\", 'escape')" for column in table["bytes"] or () if (name, column) != SEALED]
    texts = ", ".join([f'"{name}"::text', *readable])
    where = f"concat_ws(' ', {texts}) ~ $1"
    return f'SELECT \'{name}\' AS name, left("{name}"::text, 500) AS row FROM "{name}" WHERE {where}'  # noqa: S608


async def _held(redis: Redis, key: Any) -> Any:
    match await redis.type(key):
        case b"stream":
            return await redis.xrange(key)
        case b"list":
            return await redis.lrange(key, 0, -1)
        case b"string":
            return await redis.get(key)
        case other:
            raise AssertionError(f"{key!r} is a {other!r}: say how to read it")


def _around(text: str, match: re.Match[str]) -> str:
    return text[max(0, match.start() - 80) : match.end() + 20]
