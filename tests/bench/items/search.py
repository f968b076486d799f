"""Searching among a million files, for the owner of a tenth of them: the p95 of the slowest filter, and of all others.

The floor is reading one file. One connection asks, so that it is what a search costs, not how long others take.
"""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from sqlalchemy import Select

from api.searching import asked
from domain.actor import Actor
from domain.files import search as words
from domain.files.filters import Sort
from domain.files.finding import BY_VALUES, find_files
from domain.files.model import Status
from domain.files.relevance import find_relevant
from infra.connection import connect
from infra.driver import Statement
from tests.bench import filling, million, shelves
from tests.bench.item import Measured, Sides, at_most, item
from tests.bench.load import loaded, request
from tests.bench.place import Place
from tests.bench.serving import Person, Server, api, visitor

SECONDS = 0.4
"""For each filter in each round."""
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


async def _files(place: Place) -> str:
    return await place.kept("files", million.fill, million, shelves, filling, words)


@item(
    at_most(5),
    unit="ms",
    higher_is_better=False,
    rounds=3,
    seconds=60,
    warm_up=1,
    postgres=filling.MEMORY,
    prepare=_files,
)
@asynccontextmanager
async def search(place: Place) -> AsyncIterator[Sides]:
    url = await _files(place)
    await _refuse_sequential_scans(url)
    owner, ids = await visitor(place, url, million.BIG_OWNER), await _some_ids(url)
    async with api(place, url) as server:

        async def ours() -> Measured:
            took = {name: await _p95(server, owner, [f"?{_query(each)}"]) for name, each in SEARCHES.items()}
            return Measured(max(took.values()), took)

        async def floor() -> float:
            return await _p95(server, owner, [f"/{id_}" for id_ in ids])

        yield Sides(ours=ours, floor=floor, settings={"files": million.FILES, "owners_files": million.FILES // 10})


def _query(search: Mapping[str, Any]) -> str:
    return urlencode(search, doseq=True)


async def _some_ids(url: str) -> list[UUID]:
    """All that is searched is in memory then, too."""
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT sum(length(search)) FROM files")
    rows = await connection.fetch("SELECT id FROM files WHERE owner_id = $1 LIMIT 1000", million.BIG_OWNER)
    await connection.close()
    return random.sample([row["id"] for row in rows], len(rows))


async def _p95(server: Server, owner: Person, paths: Sequence[str]) -> float:
    """In milliseconds."""
    requests = [request("GET", f"/v1/files{path}", dict(owner.headers)) for path in paths]
    return (await loaded(server.port, [requests], seconds=SECONDS)).percentile(95)


async def _refuse_sequential_scans(url: str) -> None:
    """Raises RuntimeError where a statement of any search reads `files` from end to end."""
    actor = Actor(account_id=million.BIG_OWNER)
    connection = await connect(url, application_name="bench")

    async def ask(select: Select[Any], values: Mapping[str, Any]) -> Sequence[Any]:
        statement = Statement.of(select)
        given = statement.arguments(values)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement.sql}", *given))
        if "Seq Scan on files" in plan:
            raise RuntimeError(f"{statement.sql} with {given} reads all files:\n{plan}")
        return list(await connection.fetch(statement.sql, *given))

    for query in SEARCHES.values():
        search = asked(**_typed(query))
        find: Any = find_relevant if search.sort is Sort.RELEVANCE else find_files
        async with connection.transaction(readonly=True):
            await connection.execute(BY_VALUES)
            await find(ask, actor, search, after=None, limit=51)
    await connection.close()


def _typed(query: Mapping[str, Any]) -> dict[str, Any]:
    """As the route would have read it."""
    read: dict[str, Any] = {"sort": Sort, "status": Status, "tag": lambda tag: [tag] if isinstance(tag, str) else tag}
    read |= dict.fromkeys(("created_after", "created_before", "expires_before"), datetime.fromisoformat)
    typed = {name: read[name](value) if name in read else value for name, value in query.items()}
    return {f"{name}_" if name == "type" else name: value for name, value in typed.items()}
