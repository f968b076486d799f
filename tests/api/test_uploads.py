"""Bytes come in, through us or straight to S3, and an event says so in the same transaction."""

import hashlib

import httpx

from domain.files.events import FileUploaded
from domain.files.parts import MIB
from infra.storage import Storage
from tests.api.conftest import Client
from tests.database import Database


async def test_an_upload_through_the_api_is_stored_and_announced(
    client: Client, database: Database, storage: Storage
) -> None:
    content = b"%PDF-1.7 hello"

    response = await client.post(
        "/v1/files",
        files={"file": ("report.pdf", content, "application/pdf")},
        data={"tags": ["a", "b"], "metadata": '{"x": 1}'},
    )

    assert response.status_code == 202, response.text
    file = response.json()
    assert response.headers["Location"] == f"/v1/files/{file['id']}"
    assert (file["status"], file["size"], file["tags"], file["metadata"]) == ("processing", 14, ["a", "b"], {"x": 1})
    assert b"".join([chunk async for chunk in storage.read(file["location"]["key"])]) == content
    (event,) = await database.recorded()
    assert isinstance(event, FileUploaded)
    assert (str(event.file_id), event.size) == (file["id"], 14)
    assert [row.name for row in await database.rows("SELECT name FROM commands")] == ["POST /v1/files"]


async def test_a_large_upload_goes_to_s3_in_parts(client: Client, database: Database, storage: Storage) -> None:
    content = bytes(range(256)) * (4096 * 20)

    response = await client.post("/v1/files", files={"file": ("big.bin", content)})

    assert response.status_code == 202, response.text
    digest = hashlib.sha256()
    async for chunk in storage.read(response.json()["location"]["key"]):
        digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()
    ((received,),) = await database.rows("SELECT received_sha256 FROM files")
    assert received == digest.hexdigest()


async def test_a_promised_upload_of_one_part_is_a_presigned_put(client: Client, database: Database) -> None:
    started = await client.post("/v1/uploads", json={"name": "a.txt", "size": 3})

    assert started.status_code == 201, started.text
    upload = started.json()["upload"]
    assert started.json()["file"]["status"] == "pending"
    assert upload["id"] == started.json()["file"]["id"]
    assert started.headers["Location"] == f"/v1/uploads/{upload['id']}"
    assert [(part["number"], part["size"]) for part in upload["parts"]] == [(1, 3)]
    assert await database.recorded() == []
    async with httpx.AsyncClient() as s3:
        assert (await s3.put(upload["parts"][0]["url"], content=b"abc")).status_code == 200

    completed = await client.post(f"/v1/uploads/{upload['id']}/complete")

    assert completed.status_code == 202, completed.text
    assert completed.json()["status"] == "processing"
    assert [type(event) for event in await database.recorded()] == [FileUploaded]


async def test_a_promised_upload_of_many_parts_names_the_missing_ones(client: Client) -> None:
    size = 40 * MIB
    upload = (await client.post("/v1/uploads", json={"name": "b.bin", "size": size})).json()["upload"]
    assert [part["size"] for part in upload["parts"]] == [16 * MIB, 16 * MIB, 8 * MIB]
    async with httpx.AsyncClient() as s3:
        put = await s3.put(upload["parts"][0]["url"], content=bytes(16 * MIB))
        assert put.status_code == 200

    refused = await client.post(f"/v1/uploads/{upload['id']}/complete")

    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/upload-incomplete"
    assert refused.json()["missing_parts"] == [2, 3]


async def test_completing_twice_announces_once(client: Client, database: Database) -> None:
    upload = (await client.post("/v1/uploads", json={"name": "a.txt", "size": 0})).json()["upload"]
    async with httpx.AsyncClient() as s3:
        await s3.put(upload["parts"][0]["url"], content=b"")

    answers = [await client.post(f"/v1/uploads/{upload['id']}/complete") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(await database.recorded()) == 1


async def test_the_same_idempotency_key_does_it_once_and_answers_the_same(client: Client, database: Database) -> None:
    key = {"Idempotency-Key": "k-1"}
    body = {"name": "a.txt", "size": 3}

    first, second = [await client.post("/v1/uploads", json=body, headers=key) for _ in range(2)]

    assert first.json() == second.json()
    assert (first.status_code, second.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(await database.rows("SELECT 1 FROM files")) == 1


async def test_an_idempotency_key_with_another_body_is_refused(client: Client) -> None:
    key = {"Idempotency-Key": "k-1"}
    await client.post("/v1/uploads", json={"name": "a.txt", "size": 3}, headers=key)

    refused = await client.post("/v1/uploads", json={"name": "b.txt", "size": 3}, headers=key)

    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/idempotency-key-reused"


async def test_a_streamed_upload_with_the_same_key_is_stored_once(client: Client, database: Database) -> None:
    key = {"Idempotency-Key": "k-2", "Content-Type": "multipart/form-data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--b--\r\n'

    first, second = [await client.post("/v1/files", content=body, headers=key) for _ in range(2)]

    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(await database.rows("SELECT 1 FROM files")) == 1


async def test_a_form_with_the_same_key_is_the_same_form_behind_another_boundary(client: Client) -> None:
    """Clients make a new boundary each time they send a form."""
    key, form = {"Idempotency-Key": "k-3"}, {"file": ("a", b"\r\n--" * 100_000)}

    first, second = [await client.post("/v1/files", files=form, data={"tags": "a"}, headers=key) for _ in range(2)]
    other = await client.post("/v1/files", files=form, data={"tags": "b"}, headers=key)

    assert (first.status_code, second.status_code, other.status_code) == (202, 202, 422)
    assert first.request.headers["Content-Type"] != second.request.headers["Content-Type"]
    assert (first.json(), second.headers["Idempotent-Replayed"]) == (second.json(), "true")


async def test_a_key_of_another_account_is_another_key(client: Client, stranger: Client) -> None:
    key = {"Idempotency-Key": "k-1"}
    answers = [
        await each.post("/v1/uploads", json={"name": "a", "size": 1}, headers=key) for each in (client, stranger)
    ]

    assert answers[0].json()["file"]["id"] != answers[1].json()["file"]["id"]
