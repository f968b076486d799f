"""A file as the body of a PUT, as `curl -T` sends it."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from litestar import Litestar

from domain.aggregate import now
from domain.files.parts import MIB
from infra.storage import Storage
from tests.api import raw
from tests.api.conftest import Client
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.database import Database


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


async def test_a_body_becomes_a_file_under_the_name_in_the_path(
    client: Client, database: Database, storage: Storage
) -> None:
    response = await client.put("/u/report.pdf", content=b"abc", headers={"Content-Type": "application/pdf"})

    assert response.status_code == 202, response.text
    file = response.json()
    assert response.headers["Location"] == f"/v1/files/{file['id']}"
    assert (file["name"], file["size"], file["content_type"]) == ("report.pdf", 3, "application/pdf")
    assert file["status"] == "processing"
    assert b"".join([chunk async for chunk in storage.read(file["location"]["key"])]) == b"abc"
    assert [row.name for row in await database.rows("SELECT name FROM commands")] == ["PUT /u/{name}"]


async def test_a_body_without_a_length_may_be_of_any_size(client: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(MIB)

    response = await client.put("/u/big.bin", content=chunks())

    assert (response.status_code, response.json()["size"]) == (202, 20 * MIB)


@pytest.mark.parametrize("name", ["Grüße aus 日本.txt", "50% off?#1.txt", "a+b c", "x.tar.gz", "~"])
async def test_any_name_can_be_given_percent_encoded(name: str, client: Client) -> None:
    response = await client.put(f"/u/{quote(name, safe='')}", content=b"")

    assert response.json()["name"] == name


async def test_what_has_no_name_is_untitled(client: Client) -> None:
    for path in ("/u", "/u/"):
        assert (await client.put(path, content=b"x")).json()["name"] == "untitled"


async def test_the_name_is_kept_however_the_way_to_it_is_written(client: Client) -> None:
    for path in ("/%75/a", "/u/a"):
        assert (await client.put(path, content=b"x")).json()["name"] == "a"


@pytest.mark.parametrize("name", ["%FF", "a%2Fb", "a/b", "a%00", "a%0Ab", "x" * 256])
async def test_a_name_that_no_file_may_have_is_refused(name: str, app: Litestar, client: Client) -> None:
    response = await client.put(f"/u/{name}", content=b"")

    assert assert_problem(response, 422)["errors"][0]["field"] == "name"


async def test_a_digest_is_checked(client: Client, database: Database, storage: Storage) -> None:
    leftovers = Leftovers(database, storage)
    wrong = await client.put("/u/a", content=b"abd", headers={"Repr-Digest": digest(b"abc")})

    assert assert_problem(wrong, 422, "digest-mismatch")["errors"][0]["field"] == "Repr-Digest"
    assert await leftovers.found() == []

    for header in (digest(b"abc"), f"sha-512=:AA==:, {digest(b'abc')};q=1"):
        right = await client.put("/u/a", content=b"abc", headers={"Repr-Digest": header})
        assert right.json()["sha256"] == hashlib.sha256(b"abc").hexdigest()


async def test_a_digest_of_another_algorithm_is_nothing_to_check(client: Client) -> None:
    response = await client.put("/u/a", content=b"abc", headers={"Repr-Digest": "sha-512=:AA==:, unixsum=1"})

    assert (response.status_code, response.json()["sha256"]) == (202, None)


async def test_expires_in_is_counted_from_now(client: Client) -> None:
    file = (await client.put("/u/a", content=b"abc", headers={"Expires-In": "3600"})).json()

    assert abs(datetime.fromisoformat(file["expires_at"]) - now() - timedelta(hours=1)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        *(("Repr-Digest", value) for value in ("sha-256=abc", "sha-256=:YWJj:", "sha-256")),
        *(("Expires-In", value) for value in ("", "0", "-1", "soon", "9" * 30)),
        *(("Max-Downloads", value) for value in ("", "0", "many")),
        ("Share-Password", ""),
        *(("Content-Type", value) for value in ("x", "a/b\tc", "日/本")),
    ],
)
async def test_a_header_that_is_not_valid_is_named(header: str, value: str, client: Client) -> None:
    response = await client.put("/u/a", content=b"abc", headers={header: value.encode()})

    assert assert_problem(response, 422)["errors"][0]["field"] == header


async def test_who_asks_for_text_gets_the_link_alone(client: Client) -> None:
    response = await client.put("/u/a", content=b"abc", headers={"Accept": "text/plain"})

    assert response.status_code == 202
    assert response.headers["Content-Type"].startswith("text/plain")
    link = response.text.strip()
    assert link.endswith(response.headers["Location"])
    assert (await client.get(link.removeprefix("http://127.0.0.1:8000"))).json()["name"] == "a"


async def test_share_headers_make_a_share_at_once(client: Client, anonymous: httpx.AsyncClient) -> None:
    headers = {"Max-Downloads": "3", "Share-Password": "correct horse 日本".encode()}
    file = (await client.put("/u/a", content=b"abc", headers=headers)).json()

    assert (file["share"]["max_downloads"], file["share"]["password_required"]) == (3, True)
    assert file["share"]["file_id"] == file["id"]
    seen = (await anonymous.get(f"/s/{file['share']['token']}")).json()
    assert (seen["name"], seen["downloads_left"], seen["password_required"]) == ("a", 3, True)


async def test_expires_in_makes_a_share_too_that_ends_with_the_file(client: Client) -> None:
    file = (await client.put("/u/a", content=b"abc", headers={"Expires-In": "3600"})).json()
    link = (await client.put("/u/a", content=b"abc", headers={"Expires-In": "3600", "Accept": "text/plain"})).text

    assert file["share"]["expires_at"] == file["expires_at"]
    assert link.startswith("http://127.0.0.1:8000/s/")


async def test_who_asks_for_text_gets_the_link_of_the_share(client: Client, anonymous: httpx.AsyncClient) -> None:
    headers = {"Max-Downloads": "1", "Accept": "text/plain"}
    link = (await client.put("/u/a", content=b"abc", headers=headers)).text.strip()

    assert link.startswith("http://127.0.0.1:8000/s/")
    assert (await anonymous.get(link.removeprefix("http://127.0.0.1:8000"))).json()["name"] == "a"


async def test_without_them_there_is_no_share(client: Client, database: Database) -> None:
    assert "share" not in (await client.put("/u/a", content=b"abc")).json()
    assert await database.rows("SELECT 1 FROM shares") == []


async def test_a_part_of_a_file_is_not_taken_for_the_whole(client: Client) -> None:
    response = await client.put("/u/a", content=b"bc", headers={"Content-Range": "bytes 1-2/3"})

    assert_problem(response, 400, "content-range")


async def test_what_is_too_large_by_its_length_is_refused_before_it_is_read(
    app: Litestar, client: Client, database: Database
) -> None:
    await database.execute("UPDATE accounts SET quota_bytes = 10")
    request = raw.scope("PUT", "/u/a", client.headers | {"Content-Length": "11"})

    async def never() -> None:
        pytest.fail("the body was asked for")

    answer = await raw.send(app, request, raw.body(b"x" * 11), before_the_end=never)

    assert answer[0]["status"] == 413


async def test_the_same_key_stores_it_once(client: Client, database: Database) -> None:
    key = {"Idempotency-Key": "k"}

    first, second = [await client.put("/u/a", content=b"abc", headers=key) for _ in range(2)]
    other = await client.put("/u/a", content=b"abd", headers=key)

    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert_problem(other, 422, "idempotency-key-reused")
    assert len(await database.rows("SELECT 1 FROM files")) == 1
