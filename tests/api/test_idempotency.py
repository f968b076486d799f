"""Asking twice with one key does it once, whatever happens in between."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
from litestar import Litestar

from domain.accounts import passwords
from domain.files import commands
from infra.storage import Storage, StorageError
from tests.api import raw
from tests.api.conftest import Client
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.api.test_limits import client_at
from tests.database import Database

KEY = {"Idempotency-Key": "k"}
BODY = {"name": "a.txt", "size": 3}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
END = b"\r\n--b--\r\n"
BUSY = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'waybill-api' AND state ~ 'transaction'"


async def test_while_the_first_runs_the_second_is_told_so(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, start_upload = asyncio.Event(), asyncio.Event(), commands.start_upload

    async def slowly(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await start_upload(*arguments)

    monkeypatch.setattr("api.routes.uploads.start_upload", slowly)
    first = asyncio.create_task(client.post("/v1/uploads", json=BODY, headers=KEY))
    await begun.wait()
    second = await client.post("/v1/uploads", json=BODY, headers=KEY)
    go_on.set()

    assert_problem(second, 409, "idempotency-key-in-use")
    assert (await first).status_code == 201
    third = await client.post("/v1/uploads", json=BODY, headers=KEY)
    assert (third.json(), third.headers["Idempotent-Replayed"]) == ((await first).json(), "true")
    assert len(await database.rows("SELECT 1 FROM files")) == 1


async def test_of_many_at_once_one_is_done(client: Client, database: Database) -> None:
    answers = await asyncio.gather(*[client.post("/v1/uploads", json=BODY, headers=KEY) for _ in range(10)])

    assert {answer.status_code for answer in answers} <= {201, 409}
    done = [answer for answer in answers if answer.status_code == 201]
    assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
    assert len(await database.rows("SELECT 1 FROM files")) == 1


async def test_of_two_streams_at_once_one_is_kept(
    app: Litestar, client: Client, database: Database, storage: Storage
) -> None:
    leftovers, both = Leftovers(database, storage), asyncio.Barrier(2)

    async def upload(content: bytes) -> Any:
        request = raw.scope("POST", "/v1/files", client.headers | FORM | KEY)
        return await raw.send(app, request, raw.body(HEAD, content, END), before_the_end=both.wait)

    first, second = await asyncio.gather(upload(b"abc"), upload(b"abc"))

    assert (first[0]["status"], second[0]["status"]) == (202, 202)
    assert first[1]["body"] == second[1]["body"]
    assert sum((b"idempotent-replayed", b"true") in each[0]["headers"] for each in (first, second)) == 1
    assert len(await database.rows("SELECT 1 FROM files")) == len(await leftovers.objects()) == 1

    other = await raw.send(
        app, raw.scope("POST", "/v1/files", client.headers | FORM | KEY), raw.body(HEAD, b"other", END)
    )
    assert other[0]["status"] == 422


async def test_a_stream_holds_no_connection_while_it_comes(app: Litestar, client: Client, database: Database) -> None:
    """An upload may take hours; Postgres ends what is idle in a transaction for a minute."""

    async def nobody_waits() -> None:
        assert await database.rows(BUSY) == []

    request = raw.scope("POST", "/v1/files", client.headers | FORM | KEY)
    answer = await raw.send(app, request, raw.body(HEAD, b"abc", END), before_the_end=nobody_waits)

    assert answer[0]["status"] == 202


async def test_a_refusal_is_given_again(client: Client, anonymous: httpx.AsyncClient) -> None:
    upload = (await client.post("/v1/uploads", json=BODY)).json()["upload"]
    person = {"email": "nobody@example.com", "password": "correct horse"}
    for post, path, body in (
        (client.post, f"/v1/uploads/{upload['id']}/complete", None),
        (client.post, "/v1/uploads", {"size": "x"}),
        (anonymous.post, "/v1/sessions", person),
    ):
        headers = {"Idempotency-Key": f"k{path}"}
        first, second = [await post(path, json=body, headers=headers) for _ in range(2)]
        assert first.status_code >= 400
        assert (first.status_code, first.content) == (second.status_code, second.content)
        assert second.headers["Idempotent-Replayed"] == "true"
        assert first.headers.get("WWW-Authenticate") == second.headers.get("WWW-Authenticate")
        assert second.headers["Content-Type"] == "application/problem+json"


async def test_a_fault_of_ours_is_not_given_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StorageError("down")

    body = HEAD + b"abc" + END
    with monkeypatch.context() as broken:
        broken.setattr(Storage, "put", fail)
        assert_problem(await client.post("/v1/files", content=body, headers=FORM | KEY), 503, "unavailable")

    assert (await client.post("/v1/files", content=body, headers=FORM | KEY)).status_code == 202


async def test_a_key_belongs_to_its_path_and_query_too(client: Client) -> None:
    await client.post("/v1/uploads", json=BODY, headers=KEY)

    for path in ("/v1/accounts", "/v1/uploads?a=1"):
        response = await client.post(path, json=BODY, headers=KEY)
        assert response.status_code in {409, 422}
        assert "Idempotent-Replayed" not in response.headers


async def test_a_nameless_answer_is_given_again_to_the_same_address_only(app: Litestar) -> None:
    person = {"email": "ada@example.com", "password": "correct horse battery"}
    async with client_at(app, "192.0.2.1") as here, client_at(app, "192.0.2.2") as there:
        await here.post("/v1/accounts", json=person)
        answers = [await each.post("/v1/sessions", json=person, headers=KEY) for each in (here, here, there)]
        other = await here.post("/v1/sessions", json=person | {"password": "another"}, headers=KEY)

    first, second, theirs = answers
    assert first.json() == second.json() != theirs.json()
    assert (theirs.status_code, "Idempotent-Replayed" in theirs.headers) == (201, False)
    assert_problem(other, 422, "idempotency-key-reused")


@pytest.mark.parametrize("headers", [{}, KEY], ids=["without a key", "with a key"])
@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/accounts", "/v1/password-resets/confirm"])
async def test_who_waits_for_a_place_to_hash_holds_no_connection(
    path: str,
    headers: dict[str, str],
    anonymous: httpx.AsyncClient,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "_places", places := asyncio.Semaphore(1))
    body = {"password": "correct horse battery"}
    body |= {"token": "x"} if path.endswith("confirm") else {"email": "ada@example.com"}
    async with places:
        asked = asyncio.create_task(anonymous.post(path, json=body, headers=headers))
        async with asyncio.timeout(5):
            while not places._waiters:  # noqa: ASYNC110, SLF001 - nothing else says that somebody waits
                await asyncio.sleep(0.01)
        assert await database.rows(BUSY) == []

    assert (await asked).status_code < 500


async def test_a_query_of_any_bytes_can_be_hashed(app: Litestar, client: Client) -> None:
    headers = client.headers | KEY | {"Content-Type": "application/json"}
    request = raw.scope("POST", "/v1/uploads", headers, query=b"a=\xff")

    answer = await raw.send(app, request, raw.body(b'{"name": "a", "size": 1}'))

    assert answer[0]["status"] == 201


async def test_nothing_secret_can_be_read_in_commands(anonymous: httpx.AsyncClient, database: Database) -> None:
    person = {"email": "ada@example.com", "password": "correct horse battery"}
    for path in ("/v1/accounts", "/v1/sessions"):
        session = await anonymous.post(path, json=person, headers={"Idempotency-Key": path})
    token = session.json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"} | KEY
    upload = await anonymous.post("/v1/uploads", json=BODY, headers=headers)
    signature = upload.json()["upload"]["parts"][0]["url"].rpartition("=")[2]

    rows = await database.rows("SELECT * FROM commands")
    stored = b"".join(each if isinstance(each, bytes) else str(each).encode() for row in rows for each in row)
    sealed = [base64.urlsafe_b64decode(row.sealed_response.split(b".")[2] + b"==") for row in rows]

    assert len(rows) == 3
    for secret in (person["password"], token, token[9:40], signature):
        assert not [each for each in (stored, *sealed) if secret.encode() in each]
