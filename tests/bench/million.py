"""A database with a million files of 2,000 owners and one more, who has a tenth of them."""

import json
import random
from collections.abc import Iterator
from uuid import UUID

from domain.files.search import fold, mark
from tests.bench import filling
from tests.bench.shelves import ANYBODY, Kind, some_kinds

FILES = 1_000_000
KINDS = FILES // 10
OWNERS = 2000
BIG_OWNER = UUID("018cc251-f400-7000-8000-000000000001")
ACCOUNT = "INSERT INTO accounts (id, email, password_hash, created_at) VALUES ($1, $1::uuid::text, '', now())"
KINDS_AND_OWNERS = """
CREATE TEMP TABLE kinds (kind int, name text, folded text, content_type text, tags text[], about jsonb, document text)
    ON COMMIT DROP;
CREATE TEMP TABLE owners (owner int, owner_id uuid, mark text) ON COMMIT DROP
"""
# Of each kind the big owner has some files and one other has many, so that they share documents: to make one is slow.
DOCUMENTS = f"""
CREATE TEMP TABLE documents ON COMMIT DROP AS
SELECT kind, owner = 0 AS is_big, owner_id, name, folded, content_type, tags, about,
    replace(document, '{mark(ANYBODY)}', mark)::tsvector AS search
FROM kinds CROSS JOIN unnest(ARRAY[0, 1 + kind % {OWNERS}]) owner JOIN owners USING (owner)
"""
# Oldest first, one each 25 seconds.
ROWS = f"""
INSERT INTO files (
    id, owner_id, name, name_folded, size, content_type, sha256, status, tags, metadata, bucket, key, version,
    created_at, updated_at, expires_at, search
)
SELECT id, owner_id, name, folded, size, content_type, repeat('0', 64), 'available', tags, about, 'waybill',
    'files/' || id, 3, made_at, made_at, expires_at, search
FROM (
    SELECT uuidv7(made_at - clock_timestamp()) AS id, made_at, exp(random_normal(12, 3))::bigint AS size,
        CASE WHEN random() < 0.3 THEN made_at + random(900, 2000) * interval '1 day' END AS expires_at,
        random(1, {KINDS}) AS kind, random() < 0.1 AS is_big
    FROM (
        SELECT '2026-01-05T00:00:00Z'::timestamptz + n * interval '25 seconds' AS made_at
        FROM generate_series(1, {FILES}) n
    ) moments
) files JOIN documents USING (kind, is_big)
"""


async def fill(url: str) -> None:
    """The same files each time, but for their ids."""
    chance = random.Random(7)  # noqa: S311 - reproducible, not secret
    owners = [BIG_OWNER, *(UUID(int=chance.getrandbits(128)) for _ in range(OWNERS))]
    kinds = some_kinds(chance, KINDS)
    async with filling.filled(url, "files") as connection:
        await connection.executemany(ACCOUNT, [(owner,) for owner in owners])
        await connection.execute(KINDS_AND_OWNERS)
        await connection.copy_records_to_table("owners", records=_numbered_owners(owners))
        await connection.copy_records_to_table("kinds", records=_numbered_kinds(kinds))
        await connection.execute(DOCUMENTS)
        await connection.execute("ANALYZE documents; SELECT setseed(0.7)")
        await connection.execute(ROWS)


def _numbered_owners(owners: list[UUID]) -> Iterator[tuple[int, UUID, str]]:
    return ((number, owner, mark(owner)) for number, owner in enumerate(owners))


def _numbered_kinds(kinds: list[Kind]) -> Iterator[tuple[object, ...]]:
    for number, kind in enumerate(kinds, start=1):
        about = json.dumps(kind.metadata)
        yield (number, kind.name, fold(kind.name), kind.content_type, kind.tags, about, kind.document)
