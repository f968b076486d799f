"""An upload cut at any byte leaves nothing behind; where the mode allows it is gone on with."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar

from consumers.handlers.remove_objects import remove_objects
from domain.files.events import FileDeleteRequested
from domain.files.parts import MIB
from infra.storage import ObjectMissing, Storage
from tests.api import raw
from tests.api.conftest import Client
from tests.api.leftovers import Leftovers
from tests.database import Database

DICE = random.Random(20)  # noqa: S311 - the same places in every run
CUTS = 20
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"
CONTENT = DICE.randbytes(20 * MIB)


def chunks(body: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize(
    ("method", "path", "body"), [("POST", "/v1/files", HEAD + CONTENT + TAIL), ("PUT", "/u/a", CONTENT)]
)
async def test_through_the_api_nothing_is_left(
    method: str, path: str, body: bytes, app: Litestar, client: Client, database: Database, storage: Storage
) -> None:
    leftovers = Leftovers(database, storage)
    for cut in sorted(DICE.randrange(len(body)) for _ in range(CUTS)):
        request = raw.scope(method, path, client.headers | FORM)
        answer = await raw.send(app, request, raw.body(*chunks(body[:cut]), whole=False))

        assert answer[0]["status"] == 400, cut
        assert await leftovers.found() == [], cut


async def put_until(url: str, content: bytes, cut: int) -> None:
    """The first `cut` bytes of a body that says it is longer, and then no more."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content[:cut])
    writer.write_eof()
    await reader.read()
    writer.close()


async def cut_at(cut: int, client: Client, size: int) -> str:
    """The path of an upload whose parts were sent one by one, up to this byte."""
    started = await client.post("/v1/uploads", json={"name": "a.bin", "size": size})
    sent = 0
    async with httpx.AsyncClient() as s3:
        for part in started.json()["upload"]["parts"]:
            content = CONTENT[sent : sent + part["size"]]
            if cut < sent + len(content):
                await put_until(part["url"], content, cut - sent)
                break
            assert (await s3.put(part["url"], content=content)).status_code == 200
            sent += len(content)
    return f"/v1/uploads/{started.json()['upload']['id']}"


async def resume(path: str, client: Client) -> httpx.Response:
    state = (await client.get(path)).json()
    missing = [part["number"] for part in state["parts"] if not part["received"]]
    fresh: Any = (await client.post(f"{path}/parts", json={"numbers": missing})).json()
    for part in fresh["parts"]:
        start = (part["number"] - 1) * state["part_size"]
        async with httpx.AsyncClient() as s3:
            put = await s3.put(part["url"], content=CONTENT[start : start + part["size"]])
            assert put.status_code == 200, put.text
    return await client.post(f"{path}/complete")


@pytest.mark.parametrize("size", [3 * MIB, 20 * MIB])
async def test_straight_to_s3_it_is_gone_on_with(size: int, client: Client) -> None:
    for cut in sorted(DICE.randrange(size) for _ in range(CUTS // 2)):
        path = await cut_at(cut, client, size)
        refused = await client.post(f"{path}/complete")

        assert refused.status_code == 409, cut
        assert (await resume(path, client)).status_code == 202, cut


@pytest.mark.parametrize("size", [3 * MIB, 20 * MIB])
async def test_straight_to_s3_nothing_is_left_once_it_is_aborted(
    size: int, client: Client, database: Database, storage: Storage
) -> None:
    for cut in sorted(DICE.randrange(size) for _ in range(CUTS // 2)):
        assert (await client.delete(await cut_at(cut, client, size))).status_code == 204
        event = [event for event in await database.recorded() if isinstance(event, FileDeleteRequested)][-1]
        async with database.sessions() as session:
            await remove_objects(session, event, storage)

        ((key, upload_id),) = await database.rows("SELECT key, upload_id FROM files WHERE id = :id", id=event.file_id)
        with pytest.raises(ObjectMissing):
            await storage.size(key)
        if upload_id is not None:
            with pytest.raises(ObjectMissing):
                await storage.parts(key, upload_id)
