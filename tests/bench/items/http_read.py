"""Reading one's own file over HTTP: 16 connections. The peer does the floor's work as a route in Litestar."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from litestar import Litestar, get
from litestar.params import FromPath

from tests.bench.item import Measured, Sides, at_least, item
from tests.bench.load import answered, request
from tests.bench.place import Place
from tests.bench.serving import Person, api, bare, people, sessions_of
from tests.factories import an_available_file

CONNECTIONS = 16
FILES = 100
"""Of each person."""
SECONDS = 3.0


@item(at_least(0.5), unit="requests/s", rounds=5, warm_up=1)
@asynccontextmanager
async def http_read(place: Place) -> AsyncIterator[Sides]:
    async with place.database() as url:
        readers = await people(place, url, CONNECTIONS)
        requests = [[_get(person, file_id) for file_id in await _files(url, person)] for person in readers]
        async with api(place, url) as served, bare(place, url, f"{__name__}:floor_app") as floor_served:

            async def ours() -> Measured:
                return await answered(served.port, requests, seconds=SECONDS)

            async def floor() -> Measured:
                return await answered(floor_served.port, requests, seconds=SECONDS)

            async def litestar() -> float:
                async with bare(place, url, f"{__name__}:litestar_app", name="litestar") as peer_served:
                    return (await answered(peer_served.port, requests, seconds=SECONDS)).figure

            settings = {"connections": CONNECTIONS, "seconds": SECONDS}
            yield Sides(ours=ours, floor=floor, peers={"litestar, bare": litestar}, settings=settings)


async def _files(url: str, person: Person) -> list[UUID]:
    files = [an_available_file(owner_id=person.id) for _ in range(FILES)]
    async with sessions_of(url) as sessions, sessions.begin() as session:
        session.add_all(files)
    return [file.id for file in files]


def _get(person: Person, file_id: UUID) -> bytes:
    return request("GET", f"/v1/files/{file_id}", dict(person.headers))


# The floor: the row as JSON, whoever asks.
SELECT = """
SELECT id, name, size, content_type, sha256, status, tags, metadata, version, owner_id, bucket, key, created_at,
    updated_at, expires_at, rejected_reason FROM files WHERE id = $1
"""
pool: asyncpg.Pool


async def floor_app(scope: Any, receive: Any, send: Any) -> None:
    global pool
    if scope["type"] == "lifespan":
        await receive()
        async with asyncpg.create_pool(os.environ["WAYBILL_DATABASE_URL"], min_size=16, max_size=16) as pool:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/health/live":
        body = b"{}"
    else:
        row = await pool.fetchrow(SELECT, UUID(scope["path"].rpartition("/")[2]))
        body = msgspec.json.encode(dict(row))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# The peer: the same under the frame that ours has, and nothing else of ours.
@get("/v1/files/{file_id:uuid}")
async def _read(file_id: FromPath[UUID]) -> dict[str, Any]:
    return dict(await pool.fetchrow(SELECT, file_id))


@get("/health/live")
async def _live() -> dict[str, Any]:
    return {}


@asynccontextmanager
async def _pool(_: Litestar) -> AsyncIterator[None]:
    global pool
    async with asyncpg.create_pool(os.environ["WAYBILL_DATABASE_URL"], min_size=16, max_size=16) as pool:
        yield


litestar_app = Litestar([_read, _live], lifespan=[_pool], openapi_config=None, logging_config=None)
