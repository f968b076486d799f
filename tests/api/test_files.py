"""An account reads, changes, downloads and deletes its own files, and nobody else's."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domain.aggregate import now
from domain.files.events import FileDeleteRequested, FileUpdated
from domain.files.model import File, RejectedReason
from infra.storage import Storage
from tests.api.conftest import Client
from tests.api.matrix import assert_problem
from tests.database import Database
from tests.factories import a_processing_file, an_available_file


async def test_a_file_is_shown_with_its_etag(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    response = await client.get(f"/v1/files/{file.id}")

    assert response.status_code == 200
    assert response.headers["ETag"] == f'"{file.version}"'
    assert set(response.json()) == {
        *("id", "name", "size", "content_type", "sha256", "status", "tags", "metadata", "version", "owner_id"),
        *("location", "created_at", "updated_at", "expires_at", "rejected_reason"),
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PATCH", ""), ("GET", "/content"), ("HEAD", "/content"), ("GET", "/events"), ("DELETE", "")],
)
async def test_a_strangers_file_is_not_there(
    method: str, path: str, stranger: Client, client: Client, database: Database
) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    options = {"json": {"name": "x"}} if method == "PATCH" else {}
    response = await stranger.request(method, f"/v1/files/{file.id}{path}", **options)

    assert response.status_code == 404
    assert method == "HEAD" or response.json()["type"] == "/problems/file-not-found"


async def test_who_has_this_version_is_not_sent_it_again(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))
    over = an_available_file(owner_id=client.account.id, expires_at=now() - timedelta(seconds=1))
    await database.save(over)

    async def status(path: str, if_none_match: str) -> int:
        return (await client.get(path, headers={"If-None-Match": if_none_match})).status_code

    for known in ('"3"', 'W/"3"', '"1", "3"', "*"):
        assert await status(f"/v1/files/{file.id}", known) == 304
        assert await status(f"/v1/files/{over.id}", known) == 200, "it looks other than it did at this version"
    for unknown in ('"2"', "3", ""):
        assert await status(f"/v1/files/{file.id}", unknown) == 200


async def test_what_is_said_of_a_file_can_be_changed_and_is_told(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id, tags=["draft"]))
    changes = {"name": "final.pdf", "tags": ["a", "b"], "metadata": {"pages": 3}, "expires_at": "2030-01-01T00:00:00Z"}

    response = await client.patch(f"/v1/files/{file.id}", json=changes)

    assert response.status_code == 200
    assert {name: response.json()[name] for name in changes} == changes
    assert (response.json()["version"], response.headers["ETag"]) == (4, '"4"')
    told = (await database.recorded())[-1]
    assert isinstance(told, FileUpdated)
    assert (told.name, told.version, told.changed) == ("final.pdf", 4, list(changes))
    assert (await client.get("/v1/files?q=final&name=NAL&tag=a")).json()["items"][0]["id"] == str(file.id)
    assert (await client.get("/v1/files?tag=draft")).json()["items"] == []


async def test_what_changes_nothing_is_no_new_version(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id, tags=["a"]))

    nothing: list[dict[str, Any]] = [{}, {"tags": ["a"], "name": file.name, "metadata": {}, "expires_at": None}]
    for same in nothing:
        response = await client.patch(f"/v1/files/{file.id}", json=same)
        assert (response.status_code, response.json()["version"]) == (200, 3)
    assert len(await database.recorded()) == 2


async def test_only_the_version_that_was_read_is_changed_or_deleted(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))
    path = f"/v1/files/{file.id}"

    for stale in ('"2"', 'W/"3"', '"1", "2"', "3", "", '"03"'):
        for method, body in (("PATCH", {"json": {"name": "x"}}), ("DELETE", {})):
            response = await client.request(method, path, headers={"If-Match": stale}, **body)
            assert_problem(response, 412, "stale")
    for name, good in enumerate(('"3"', '"1", "4"', "*")):
        response = await client.patch(path, json={"name": str(name)}, headers={"If-Match": good})
        assert response.status_code == 200
    assert (await client.delete(path, headers={"If-Match": response.headers["ETag"]})).status_code == 204


async def test_of_two_who_change_the_same_version_one_is_told_to_read_again(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    async def rename(name: str) -> int:
        headers = {"If-Match": '"3"'}
        return (await client.patch(f"/v1/files/{file.id}", json={"name": name}, headers=headers)).status_code

    assert sorted(await asyncio.gather(*map(rename, "abcd"))) == [200, 412, 412, 412]


async def test_a_files_time_can_be_prolonged_ended_and_unlimited(client: Client, database: Database) -> None:
    file = an_available_file(owner_id=client.account.id, expires_at=now() + timedelta(hours=1))
    path = f"/v1/files/{(await database.save(file)).id}"

    for moment in ("2040-01-01T00:00:00Z", None, "2030-01-01T00:00:00Z"):
        assert (await client.patch(path, json={"expires_at": moment})).json()["expires_at"] == moment
    ended = await client.patch(path, json={"expires_at": "2020-01-01T00:00:00Z"})

    assert (ended.status_code, ended.json()["status"]) == (200, "expired")
    told = [event.type for event in await database.recorded()]
    assert told[-2:] == ["file.updated", "file.expired"]
    assert (await client.get(f"{path}/content")).status_code == 410
    assert_problem(await client.patch(path, json={"expires_at": None}), 410, "file-gone")


async def test_a_time_of_another_zone_is_told_in_utc_from_the_first_answer_on(
    client: Client, database: Database
) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))
    there, here = {"expires_at": "2040-01-01T00:00:00-08:00"}, "2040-01-01T08:00:00Z"

    answers = [
        (await client.post("/v1/uploads", json={"name": "a", "size": 1} | there)).json()["file"],
        (await client.post("/v1/files", files={"file": ("a", b"a")}, data=there)).json(),
        (await client.post(f"/v1/files/{file.id}/shares", json=there)).json(),
        (await client.patch(f"/v1/files/{file.id}", json=there)).json(),
    ]

    assert [answer["expires_at"] for answer in answers] == [here] * 4


async def test_what_has_no_file_behind_it_cannot_be_changed(client: Client, database: Database) -> None:
    owner_id = client.account.id
    over = an_available_file(owner_id=owner_id, expires_at=now() - timedelta(seconds=1))
    rejected = a_processing_file(owner_id=owner_id)
    rejected.reject(RejectedReason.TOO_LARGE)
    processing = a_processing_file(owner_id=owner_id)

    for file, status in ((over, 410), (rejected, 409), (processing, 200)):
        await database.save(file)
        assert (await client.patch(f"/v1/files/{file.id}", json={"name": "x"})).status_code == status


@pytest.mark.parametrize(
    "changes",
    [{"name": None}, {"tags": None}, {"metadata": None}, {"name": ""}, {"size": 1}, {"tags": ["a\0"]}]
    + [{"expires_at": moment} for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "soon")],
)
async def test_a_change_that_makes_no_sense_is_told_by_field(
    client: Client, database: Database, changes: dict[str, Any]
) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    problem = assert_problem(await client.patch(f"/v1/files/{file.id}", json=changes), 422)

    assert problem["errors"][0]["field"].startswith(next(iter(changes)))


async def test_the_bytes_come_whole_and_in_parts_with_name_and_type(
    client: Client, database: Database, storage: Storage
) -> None:
    file = await database.save(
        an_available_file(owner_id=client.account.id, name="naïve 報告.txt", content_type="text/plain")
    )
    await storage.put(file.key, b"hello", content_type="application/x-other")
    path = f"/v1/files/{file.id}/content"

    async with httpx.AsyncClient() as s3:
        url = (await client.get(path)).headers["Location"]
        whole, part = await s3.get(url), await s3.get(url, headers={"Range": "bytes=1-3"})
        shown = await s3.get((await client.get(path, params={"inline": 1})).headers["Location"])
        head = await s3.head((await client.request("HEAD", path)).headers["Location"])

    assert (whole.content, part.content) == (b"hello", b"ell")
    assert whole.headers["Content-Type"] == "text/plain"
    assert "filename*=UTF-8''na%C3%AFve%20%E5%A0%B1%E5%91%8A.txt" in whole.headers["Content-Disposition"]
    assert whole.headers["Content-Disposition"].startswith("attachment;")
    assert shown.headers["Content-Disposition"].startswith("inline;")
    assert (head.status_code, head.headers["Content-Length"]) == (200, "5")


async def test_a_url_never_outlives_its_file(client: Client, database: Database) -> None:
    lasting = an_available_file(owner_id=client.account.id)
    ending = an_available_file(owner_id=client.account.id, expires_at=now() + timedelta(seconds=100))

    async def seconds(file: File) -> int:
        await database.save(file)
        location = (await client.get(f"/v1/files/{file.id}/content")).headers["Location"]
        return int(httpx.URL(location).params["X-Amz-Expires"])

    assert await seconds(lasting) == 300
    assert 90 < await seconds(ending) <= 100


async def test_content_is_a_redirect_to_a_presigned_url(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id, name='naïve "x" 報告.pdf'))

    response = await client.get(f"/v1/files/{file.id}/content")

    assert response.status_code == 307
    assert "X-Amz-Signature" in response.headers["Location"]
    assert response.headers["Cache-Control"] == "no-store"


async def test_content_of_a_file_in_processing_is_a_conflict(client: Client, database: Database) -> None:
    file = await database.save(a_processing_file(owner_id=client.account.id))

    response = await client.get(f"/v1/files/{file.id}/content")

    assert response.status_code == 409
    assert response.json()["type"] == "/problems/file-not-ready"


async def test_a_file_whose_time_is_over_is_expired_at_once(client: Client, database: Database) -> None:
    file = an_available_file(owner_id=client.account.id, expires_at=now() - timedelta(seconds=1))
    await database.save(file)

    assert (await client.get(f"/v1/files/{file.id}")).json()["status"] == "expired"
    assert (await client.get(f"/v1/files/{file.id}/content")).status_code == 410
    assert (await client.get("/v1/files")).json()["items"] == []
    assert len((await client.get("/v1/files?status=expired")).json()["items"]) == 1


async def test_deleting_announces_it_and_hides_the_content(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    response = await client.delete(f"/v1/files/{file.id}")

    assert response.status_code == 204
    assert isinstance((await database.recorded())[-1], FileDeleteRequested)
    assert (await client.get(f"/v1/files/{file.id}/content")).status_code == 410
    assert (await client.delete(f"/v1/files/{file.id}")).status_code == 410


async def test_history_shows_sequenced_events_as_cloud_events(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))
    await database.execute("UPDATE outbox SET position = id")

    response = await client.get(f"/v1/files/{file.id}/events", params={"limit": 1})

    (event,) = response.json()["items"]
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "file.uploaded", str(file.id))
    assert event["data"]["name"] == "report.pdf"
    rest = await client.get(f"/v1/files/{file.id}/events", params={"cursor": response.json()["next_cursor"]})
    assert [event["type"] for event in rest.json()["items"]] == ["file.available"]
    assert rest.json()["next_cursor"] is None
