"""Programs that people use: curl, httpx, and a page in a browser that sends parts straight to S3."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from playwright.async_api import Page

from domain.files.parts import MIB
from infra.settings import Settings
from infra.storage import Storage
from tests.api.conftest import Client, client_of, running
from tests.database import Database
from tests.serving import served

CONTENT = bytes(range(256)) * 4096 * 7
"""Seven MiB: more than goes to S3 in one piece."""


@pytest.fixture
async def address(app: Litestar) -> AsyncIterator[str]:
    async with served(app) as address:
        yield address


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Grüße.bin"
    path.write_bytes(CONTENT)
    return path


async def curl(client: Client, *arguments: object, stdin: bytes | None = None) -> Any:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    running = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--fail-with-body", "-H", f"Authorization: {client.headers['Authorization']}"),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await running.communicate(stdin)
    assert running.returncode == 0, (output, complaints)
    return output


async def stored(storage: Storage, file: Any) -> bytes:
    return b"".join([chunk async for chunk in storage.read(file["location"]["key"])])


async def test_curl_sends_a_form(address: str, client: Client, file: Path, storage: Storage) -> None:
    answer = await curl(client, "-F", f"file=@{file};type=application/x-test", "-F", "tags=a", f"{address}/v1/files")

    sent = msgspec.json.decode(answer)
    assert (sent["name"], sent["content_type"], sent["tags"]) == ("Grüße.bin", "application/x-test", ["a"])
    assert await stored(storage, sent) == CONTENT


async def test_curl_appends_the_name_of_the_file(address: str, client: Client, file: Path, storage: Storage) -> None:
    sent = msgspec.json.decode(await curl(client, "-T", file, "-H", "Content-Type: text/x-test", f"{address}/u/"))

    assert (sent["name"], sent["content_type"]) == ("Grüße.bin", "text/x-test")
    assert await stored(storage, sent) == CONTENT


@pytest.mark.parametrize(("path", "name"), [("/u/", "untitled"), ("/u/log.txt", "log.txt")])
async def test_curl_sends_what_comes_from_a_pipe(
    path: str, name: str, address: str, client: Client, storage: Storage
) -> None:
    sent = msgspec.json.decode(await curl(client, "-T", "-", f"{address}{path}", stdin=CONTENT))

    assert (sent["name"], sent["size"]) == (name, len(CONTENT))
    assert await stored(storage, sent) == CONTENT


async def test_curl_prints_the_link_alone(address: str, client: Client) -> None:
    link = await curl(client, "-T", "-", "-H", "Accept: text/plain", f"{address}/u/a.txt", stdin=b"abc")

    path = link.decode().strip().removeprefix("http://127.0.0.1:8000")
    assert (await client.get(path)).json()["name"] == "a.txt"


async def test_curl_is_told_before_it_sends_what_finds_no_room(
    address: str, client: Client, file: Path, database: Database
) -> None:
    await database.execute("UPDATE accounts SET quota_bytes = 1")

    quiet = ("--no-fail-with-body", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}")
    # By default it begins to send after a second's silence.
    patient = ("-H", "Expect: 100-continue", "--expect100-timeout", "60")
    status = await curl(client, *quiet, *patient, "-T", file, f"{address}/u/")

    assert status == b"413 0"


async def test_httpx_streams(address: str, client: Client, storage: Storage) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), MIB):
            yield CONTENT[start : start + MIB]

    async with httpx.AsyncClient(base_url=address, headers=client.headers) as http:
        sent = (await http.put("/u/a.bin", content=chunks())).json()

    assert await stored(storage, sent) == CONTENT


SCRIPT = """
async ([api, token, size]) => {
  const call = async (method, path, body) => {
    const headers = {Authorization: token, 'Idempotency-Key': crypto.randomUUID()};
    if (body) headers['Content-Type'] = 'application/json';
    const answer = await fetch(api + path, {method, headers, body: body && JSON.stringify(body)});
    return [answer.status, answer.status === 204 ? null : await answer.json()];
  };
  const send = (url, blob) => new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    request.onload = () => done(request.status);
    request.onerror = () => failed(new Error('S3 could not be reached'));
    request.send(blob);
  });
  const file = new File([new Uint8Array(size).fill(7)], 'Grüße.bin');
  const [, {upload}] = await call('POST', '/v1/uploads', {name: file.name, size: file.size});
  const blob = part => file.slice((part.number - 1) * upload.part_size).slice(0, part.size);
  const first = upload.parts[0];
  const sent = [await send(first.url, blob(first))];
  const [early, refused] = await call('POST', `/v1/uploads/${upload.id}/complete`);
  const [, {parts}] = await call('POST', `/v1/uploads/${upload.id}/parts`, {numbers: refused.missing_parts});
  sent.push(...await Promise.all(parts.map(part => send(part.url, blob(part)))));
  const [, state] = await call('GET', `/v1/uploads/${upload.id}`);
  const [status, done] = await call('POST', `/v1/uploads/${upload.id}/complete`);
  const headers = {Authorization: token, 'Expires-In': '60'};
  const put = (await fetch(api + '/u/page.txt', {method: 'PUT', headers, body: file.slice(0, 3)})).status;
  return {sent, early, missing: refused.missing_parts, received: state.received_bytes, status, file: done, put};
}
"""


async def blank(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"<!doctype html><title>Elsewhere</title>"})


async def test_a_page_of_another_origin_sends_parts_straight_to_s3(
    page: Page, settings: Settings, database: Database, client: Client
) -> None:
    size = 40 * MIB
    async with (
        served(blank) as origin,
        running(msgspec.structs.replace(settings, cors_origins=(origin,))) as app,
        served(app) as api,
    ):
        person = await client_of(client.account, app, client.http, database)
        await page.goto(origin)
        told = await page.evaluate(SCRIPT, [api, person.headers["Authorization"], size])

    assert (told["sent"], told["early"], told["missing"]) == ([200, 200, 200], 409, [2, 3])
    assert (told["received"], told["status"], told["put"]) == (size, 202, 202)
    assert (told["file"]["name"], told["file"]["status"]) == ("Grüße.bin", "processing")
