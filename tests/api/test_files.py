"""An account finds, reads and deletes its own files, and nobody else's."""

from datetime import timedelta

import pytest

from domain.aggregate import now
from domain.files.events import FileDeleteRequested
from tests.api.conftest import Client
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
    [("GET", ""), ("GET", "/content"), ("GET", "/events"), ("DELETE", "")],
)
async def test_a_strangers_file_is_not_there(
    method: str, path: str, stranger: Client, client: Client, database: Database
) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    response = await stranger.request(method, f"/v1/files/{file.id}{path}")

    assert response.status_code == 404
    assert response.json()["type"] == "/problems/file-not-found"


async def test_files_are_found_by_words_and_type(client: Client, stranger: Client, database: Database) -> None:
    report = an_available_file(owner_id=client.account.id, name="annualReport2026.pdf", tags=["finance"])
    photo = an_available_file(owner_id=client.account.id, name="beach.png", content_type="image/png")
    hidden = an_available_file(owner_id=stranger.account.id, name="report.pdf")
    for file in (report, photo, hidden):
        file.index()
        await database.save(file)

    async def found(**query: str) -> list[str]:
        return [item["name"] for item in (await client.get("/v1/files", params=query)).json()["items"]]

    assert await found() == ["beach.png", "annualReport2026.pdf"]
    assert await found(q="report 2026") == ["annualReport2026.pdf"]
    assert await found(q="annual fin") == ["annualReport2026.pdf"]
    assert await found(q="beach", type="image/") == ["beach.png"]
    assert await found(type="image/png") == ["beach.png"]
    assert await found(q="nothing") == []
    assert await found(q="&|!()'\"; -- :*") == []


async def test_pages_follow_each_other_without_gap_or_double(client: Client, database: Database) -> None:
    for number in range(5):
        await database.save(an_available_file(owner_id=client.account.id, name=f"{number}.txt"))

    path: str | None = "/v1/files?limit=2"
    names: list[str] = []
    while path:
        response = await client.get(path)
        names += [item["name"] for item in response.json()["items"]]
        link = response.headers.get("Link")
        path = link.partition(">")[0].lstrip("<") if link else None

    assert names == ["4.txt", "3.txt", "2.txt", "1.txt", "0.txt"]


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
