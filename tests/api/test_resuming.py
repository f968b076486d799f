"""An upload straight to S3 can be looked at, gone on with and given up, from any device, until its time is over."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from consumers.handlers.finalize_upload import finalize_upload
from domain.aggregate import now
from domain.files.events import FileAvailable, FileDeleteRequested, FileUploaded
from domain.files.parts import MIB
from infra.settings import Settings
from infra.storage import Storage
from tests.api.conftest import Client, insisting
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.database import Database

SIZE = 20 * MIB


async def put(url: str, content: bytes) -> None:
    async with httpx.AsyncClient() as s3:
        assert (await s3.put(url, content=content)).status_code == 200


async def promised(client: Client, size: int = SIZE) -> Any:
    response = await client.post("/v1/uploads", json={"name": "b.bin", "size": size})
    assert response.status_code == 201, response.text
    return response.json()["upload"]


async def test_what_s3_has_received_is_told(client: Client) -> None:
    upload = await promised(client)
    path = f"/v1/uploads/{upload['id']}"
    before = (await client.get(path)).json()
    await put(upload["parts"][1]["url"], bytes(4 * MIB))
    after = (await client.get(path)).json()

    assert [(part["number"], part["size"], part["received"]) for part in after["parts"]] == [
        (1, 16 * MIB, False),
        (2, 4 * MIB, True),
    ]
    assert (before["received_bytes"], after["received_bytes"]) == (0, 4 * MIB)
    assert (after["id"], after["part_size"], after["expires_at"]) == (upload["id"], 16 * MIB, upload["expires_at"])
    assert after["file"]["status"] == "pending"


async def test_an_upload_is_gone_on_with_by_what_is_told_alone(client: Client, database: Database) -> None:
    upload = await promised(client)
    await put(upload["parts"][0]["url"], bytes(16 * MIB))
    path = f"/v1/uploads/{upload['id']}"

    state = (await client.get(path)).json()
    missing = [part["number"] for part in state["parts"] if not part["received"]]
    fresh = (await client.post(f"{path}/parts", json={"numbers": missing})).json()
    assert [(part["number"], part["size"]) for part in fresh["parts"]] == [(2, 4 * MIB)]
    await put(fresh["parts"][0]["url"], bytes(4 * MIB))

    assert (await client.post(f"{path}/complete")).status_code == 202
    done = (await client.get(path)).json()
    assert (done["file"]["status"], done["received_bytes"]) == ("processing", SIZE)
    assert [type(event) for event in await database.recorded()] == [FileUploaded]


async def test_fifty_clients_that_complete_it_complete_it_once(
    client: Client, database: Database, storage: Storage, settings: Settings
) -> None:
    upload = await promised(client)
    for part in upload["parts"]:
        await put(part["url"], bytes(part["size"]))

    path = f"/v1/uploads/{upload['id']}/complete"
    answers = await asyncio.gather(*[insisting(lambda: client.post(path)) for _ in range(50)])
    (uploaded,) = [event for event in await database.recorded() if isinstance(event, FileUploaded)]
    async with database.session() as session:
        await finalize_upload(session, uploaded, storage, settings)
        await session.commit()
    again = await client.post(path)

    assert {answer.status_code for answer in answers} == {202}
    assert (again.status_code, again.json()["status"]) == (202, "available")
    assert [type(event) for event in await database.recorded()] == [FileUploaded, FileAvailable]


async def test_a_part_cut_short_is_missing_still(client: Client) -> None:
    upload = await promised(client)
    await put(upload["parts"][0]["url"], bytes(16 * MIB))
    await put(upload["parts"][1]["url"], b"cut")

    refused = await client.post(f"/v1/uploads/{upload['id']}/complete")

    assert assert_problem(refused, 409, "upload-incomplete")["missing_parts"] == [2]


async def test_parts_that_have_become_one_object_already_are_all_there(
    client: Client, database: Database, storage: Storage
) -> None:
    upload = await promised(client)
    for part in upload["parts"]:
        await put(part["url"], bytes(part["size"]))
    ((key, upload_id),) = await database.rows("SELECT key, upload_id FROM files")
    await storage.complete_multipart(key, upload_id, await storage.parts(key, upload_id))

    assert (await client.get(f"/v1/uploads/{upload['id']}")).json()["received_bytes"] == SIZE
    assert (await client.post(f"/v1/uploads/{upload['id']}/complete")).status_code == 202


async def test_fresh_urls_prolong_the_upload(client: Client, database: Database) -> None:
    upload = await promised(client, size=3)
    soon = now() + timedelta(minutes=1)
    await database.execute("UPDATE files SET upload_expires_at = :soon", soon=soon)

    fresh = (await client.post(f"/v1/uploads/{upload['id']}/parts", json={"numbers": [1, 1]})).json()

    assert [part["number"] for part in fresh["parts"]] == [1]
    assert datetime.fromisoformat(fresh["expires_at"]) > soon + timedelta(hours=23)
    assert (await client.get(f"/v1/uploads/{upload['id']}")).json()["expires_at"] == fresh["expires_at"]


async def test_parts_that_s3_has_lost_are_sent_again(client: Client, database: Database, storage: Storage) -> None:
    """As the embedded S3 does, when it starts again."""
    upload = await promised(client)
    path = f"/v1/uploads/{upload['id']}"
    await put(upload["parts"][0]["url"], bytes(16 * MIB))
    ((key, upload_id),) = await database.rows("SELECT key, upload_id FROM files")
    await storage.abort_multipart(key, upload_id)

    assert (await client.get(path)).json()["received_bytes"] == 0
    first, second = await asyncio.gather(*[client.post(f"{path}/parts", json={"numbers": [n]}) for n in (1, 2)])
    for answer in (first, second):
        (part,) = answer.json()["parts"]
        await put(part["url"], bytes(part["size"]))
    assert (await client.post(f"{path}/complete")).status_code == 202


@pytest.mark.parametrize("numbers", [[], [0], [3], ["1"], [10_001]])
async def test_parts_that_are_not_there_have_no_url(numbers: list[Any], client: Client) -> None:
    upload = await promised(client)

    refused = await client.post(f"/v1/uploads/{upload['id']}/parts", json={"numbers": numbers})

    assert assert_problem(refused, 422)["errors"][0]["field"].startswith("numbers")


async def test_aborting_is_told_once_and_may_be_done_again(client: Client, database: Database) -> None:
    upload = await promised(client)
    path = f"/v1/uploads/{upload['id']}"

    assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 204]

    assert [type(event) for event in await database.recorded()] == [FileDeleteRequested]
    for answer in (
        await client.get(path),
        await client.post(f"{path}/parts", json={"numbers": [1]}),
        await client.post(f"{path}/complete"),
    ):
        assert_problem(answer, 410, "file-gone")


async def test_what_has_come_cannot_be_aborted(client: Client) -> None:
    upload = await promised(client, size=0)
    await put(upload["parts"][0]["url"], b"")
    path = f"/v1/uploads/{upload['id']}"
    await client.post(f"{path}/complete")

    assert_problem(await client.delete(path), 409, "upload-not-pending")
    assert_problem(await client.post(f"{path}/parts", json={"numbers": [1]}), 409, "upload-not-pending")


async def test_an_upload_whose_time_is_over_can_only_be_aborted(client: Client, database: Database) -> None:
    upload = await promised(client, size=0)
    await put(upload["parts"][0]["url"], b"")
    path = f"/v1/uploads/{upload['id']}"
    await database.execute("UPDATE files SET upload_expires_at = :over", over=datetime.now(UTC))

    for answer in (
        await client.get(path),
        await client.post(f"{path}/parts", json={"numbers": [1]}),
        await client.post(f"{path}/complete"),
    ):
        assert_problem(answer, 410, "upload-expired")
    assert (await client.delete(path)).status_code == 204


async def test_a_refused_promise_leaves_no_multipart_upload(
    client: Client, database: Database, storage: Storage
) -> None:
    leftovers = Leftovers(database, storage)
    await database.execute("UPDATE accounts SET quota_bytes = 1")

    refused = await client.post("/v1/uploads", json={"name": "b.bin", "size": SIZE})

    assert_problem(refused, 413, "quota-exceeded")
    assert await leftovers.found() == []
