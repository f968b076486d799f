"""Promising a file over HTTP, with one presigned part: one process, 16 connections of as many people."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from tests.bench.item import Measured, Sides, at_least, item
from tests.bench.load import answered, request
from tests.bench.place import Place
from tests.bench.serving import Person, api, bare, people

CONNECTIONS = 16
SECONDS = 3.0
BODY = msgspec.json.encode(
    {"name": "Quarterly report.pdf", "size": 100_000, "content_type": "application/pdf", "tags": ["report", "2026"]}
)


@item(at_least(0.5), unit="requests/s", rounds=5, warm_up=1)
@asynccontextmanager
async def http_command(place: Place) -> AsyncIterator[Sides]:
    async with place.database() as url:
        requests = [[_post(person)] for person in await people(place, url, CONNECTIONS)]
        await _make_plain(url)
        async with api(place, url) as served, bare(place, url, f"{__name__}:floor_app") as floor_served:

            async def ours() -> Measured:
                return await answered(served.port, requests, seconds=SECONDS)

            async def floor() -> Measured:
                return await answered(floor_served.port, requests, seconds=SECONDS)

            yield Sides(ours=ours, floor=floor, settings={"connections": CONNECTIONS, "seconds": SECONDS})


def _post(person: Person) -> bytes:
    return request("POST", "/v1/uploads", {**person.headers, "X-Owner": str(person.id)}, BODY)


# The floor: three rows, whoever asks, in tables with no index but their keys.
PLAIN = """
CREATE TABLE plain_files (
    id uuid PRIMARY KEY, owner_id uuid NOT NULL, name text NOT NULL, size bigint NOT NULL, content_type text NOT NULL,
    tags text[] NOT NULL, status text NOT NULL, key text NOT NULL, created_at timestamptz NOT NULL
);
CREATE TABLE plain_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, type text NOT NULL,
    subject uuid NOT NULL, data json NOT NULL, recorded_at timestamptz NOT NULL
);
CREATE TABLE plain_commands (
    id uuid PRIMARY KEY, name text NOT NULL, actor text NOT NULL, status smallint NOT NULL,
    recorded_at timestamptz NOT NULL
)
"""
INSERT_FILE = "INSERT INTO plain_files VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8)"
INSERT_EVENT = """
INSERT INTO plain_outbox (event_id, type, subject, data, recorded_at) VALUES ($1, 'file.promised', $2, $3, $4)
"""
INSERT_COMMAND = "INSERT INTO plain_commands VALUES ($1, 'POST /v1/uploads', $2, 201, $3)"
pool: asyncpg.Pool


async def _make_plain(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(PLAIN)
    await connection.close()


async def floor_app(scope: Any, receive: Any, send: Any) -> None:
    global pool
    if scope["type"] == "lifespan":
        await receive()
        async with asyncpg.create_pool(os.environ["WAYBILL_DATABASE_URL"], min_size=16, max_size=16) as pool:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, body = 200, b"{}"
    if scope["path"] != "/health/live":
        owner_id = UUID(dict(scope["headers"])[b"x-owner"].decode())
        asked = msgspec.json.decode((await receive())["body"])
        status, body = 201, msgspec.json.encode(await _promised(owner_id, asked))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _promised(owner_id: UUID, asked: dict[str, Any]) -> dict[str, Any]:
    file_id, now = uuid4(), datetime.now(UTC)
    file = {"id": file_id, "owner_id": owner_id, "key": f"incoming/{file_id}", "created_at": now, **asked}
    described = (asked["name"], asked["size"], asked["content_type"], asked["tags"], file["key"], now)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(INSERT_FILE, file_id, owner_id, *described)
        await connection.execute(INSERT_EVENT, uuid4(), file_id, msgspec.json.encode(file).decode(), now)
        await connection.execute(INSERT_COMMAND, uuid4(), str(owner_id), now)
    return {"file": file}
