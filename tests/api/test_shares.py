"""Shares: whoever has the link gets the file, as long and as often as its owner says, and that is told."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import time_machine

from domain.actor import Scope
from domain.aggregate import new_id, now
from domain.files.events import FileDownloaded, FileShared, FileShareRevoked
from domain.files.model import File, RejectedReason
from infra.settings import Settings
from infra.storage import Storage
from tests.api.conftest import Client, service_of
from tests.api.matrix import assert_problem
from tests.database import Database
from tests.factories import a_pending_file, a_processing_file, an_available_file

PASSWORD = "correct horse share"
Sharing = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def file(client: Client, database: Database, storage: Storage) -> File:
    file = await database.save(an_available_file(owner_id=client.account.id))
    await storage.put(file.key, b"abc", content_type=file.content_type)
    return file


@pytest.fixture
def share(client: Client, file: File) -> Sharing:
    async def make(of: File = file, **terms: Any) -> dict[str, Any]:
        response = await client.post(f"/v1/files/{of.id}/shares", json=terms)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    return make


def in_days(days: float) -> str:
    return (now() + timedelta(days=days)).isoformat()


async def told(database: Database, kind: type) -> list[Any]:
    return [event for event in await database.recorded() if type(event) is kind]


async def test_a_link_is_shown_once_and_leads_to_the_bytes(
    client: Client, anonymous: httpx.AsyncClient, file: File, share: Sharing, settings: Settings
) -> None:
    made = await share(expires_at=in_days(1), max_downloads=3, message="Yours.\nAda", recipients=["Eve@example.com"])
    token = made["token"]

    redirect = await anonymous.get(f"/s/{token}/content")
    async with httpx.AsyncClient() as s3:
        bytes_ = await s3.get(redirect.headers["Location"])

    assert made["url"] == f"{settings.public_url}/s/{token}"
    assert (redirect.status_code, redirect.headers["Cache-Control"]) == (307, "no-store")
    assert bytes_.content == b"abc"
    assert bytes_.headers["Content-Disposition"].startswith('attachment; filename="report.pdf"')
    (listed,) = (await client.get(f"/v1/files/{file.id}/shares")).json()["items"]
    assert listed["downloads"] == 1
    assert listed["recipients"] == [{"email": "eve@example.com", "mailed_at": None}]
    assert {**made, "downloads": 1} == listed | {"token": token, "url": made["url"]}


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}, {"Idempotency-Key": "k"}])
async def test_who_asks_for_no_terms_need_send_no_body(
    headers: dict[str, str], client: Client, anonymous: httpx.AsyncClient, file: File
) -> None:
    made = await client.post(f"/v1/files/{file.id}/shares", headers=headers)

    assert made.status_code == 201, made.text
    assert (made.json()["max_downloads"], made.json()["recipients"]) == (None, [])
    assert (await anonymous.get(f"/s/{made.json()['token']}/content")).status_code == 307


async def test_a_stranger_learns_of_the_file_and_nothing_of_its_owner(
    client: Client, anonymous: httpx.AsyncClient, file: File, share: Sharing
) -> None:
    made = await share(password=PASSWORD, max_downloads=2)

    response = await anonymous.get(f"/s/{made['token']}")

    assert response.json() == {
        "name": "report.pdf",
        "size": 3,
        "content_type": "application/pdf",
        "status": "available",
        "expires_at": None,
        "downloads_left": 2,
        "password_required": True,
    }
    assert str(client.account.id) not in response.text + str(response.headers)
    assert (await anonymous.head(f"/s/{made['token']}")).status_code == 200


async def test_a_share_and_its_end_are_told_without_its_secrets(
    client: Client, file: File, share: Sharing, database: Database
) -> None:
    made = await share(expires_at=in_days(1), max_downloads=3, password=PASSWORD, recipients=["eve@example.com"])
    for _ in range(2):  # the second time changes nothing
        assert (await client.delete(f"/v1/shares/{made['id']}")).status_code == 204

    (shared,) = await told(database, FileShared)
    (revoked,) = await told(database, FileShareRevoked)
    assert (shared.has_password, shared.max_downloads, shared.recipients) == (True, 3, 1)
    assert str(shared.share_id) == str(revoked.share_id) == made["id"]
    outbox = str(await database.rows("SELECT * FROM outbox"))
    assert not [secret for secret in (made["token"], PASSWORD, "eve@", "argon2", "/s/") if secret in outbox]


async def test_each_download_is_told_by_whose_hand_it_was(
    client: Client, anonymous: httpx.AsyncClient, file: File, share: Sharing, database: Database
) -> None:
    made = await share()
    for _ in range(2):
        await anonymous.get(f"/s/{made['token']}/content")
    await client.get(f"/v1/files/{file.id}/content")

    events = await told(database, FileDownloaded)

    assert [(event.share_id and str(event.share_id), event.downloads) for event in events] == [
        (made["id"], 1),
        (made["id"], 2),
        (None, None),
    ]
    expected = {"file_id": file.id, "owner_id": client.account.id, "name": "report.pdf", "size": 3, "version": 3}
    assert {name: getattr(events[0], name) for name in expected} == expected
    rows = await database.rows("SELECT subject, stream FROM outbox WHERE type = 'file.downloaded'")
    assert set(rows) == {(file.id, "waybill:files")}


async def test_who_only_looks_is_not_counted(
    client: Client, anonymous: httpx.AsyncClient, file: File, share: Sharing, database: Database
) -> None:
    made = await share(max_downloads=1)
    for _ in range(3):
        head = await anonymous.head(f"/s/{made['token']}/content")
        assert head.status_code == 307
        assert (await anonymous.get(f"/s/{made['token']}")).status_code == 200
    async with httpx.AsyncClient() as s3:
        assert (await s3.head(head.headers["Location"])).headers["Content-Length"] == "3"
    await client.request("HEAD", f"/v1/files/{file.id}/content")

    assert await told(database, FileDownloaded) == []
    assert (await anonymous.get(f"/s/{made['token']}/content")).status_code == 307
    assert (await anonymous.head(f"/s/{made['token']}/content")).status_code == 410


@pytest.mark.parametrize("terms", [{}, {"password": PASSWORD}], ids=["anybody", "a password"])
async def test_of_100_at_once_on_a_limit_of_3_exactly_3_pass(
    terms: dict[str, str], anonymous: httpx.AsyncClient, share: Sharing, database: Database
) -> None:
    made = await share(max_downloads=3, **terms)
    headers = {"X-Share-Password": PASSWORD}

    asked = [anonymous.get(f"/s/{made['token']}/content", headers=headers) for _ in range(100)]
    answers = await asyncio.gather(*asked)

    assert sorted(answer.status_code for answer in answers) == [307] * 3 + [410] * 97
    for answer in answers:
        if answer.status_code == 410:
            assert_problem(answer, 410, "share-used-up")
    assert sorted(event.downloads for event in await told(database, FileDownloaded)) == [1, 2, 3]
    assert_problem(await anonymous.get(f"/s/{made['token']}"), 410, "share-used-up")


async def test_a_password_is_asked_for_and_compared(
    anonymous: httpx.AsyncClient, share: Sharing, database: Database
) -> None:
    made = await share(password=PASSWORD, max_downloads=1)
    path = f"/s/{made['token']}/content"

    missing = await anonymous.get(path)
    wrong = await anonymous.get(path, headers={"X-Share-Password": "correct horse shame"})

    assert_problem(missing, 401, "share-password-missing")
    assert_problem(wrong, 401, "share-password-wrong")
    assert missing.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"]
    assert missing.headers["WWW-Authenticate"].startswith("SharePassword ")
    assert (await anonymous.head(path)).status_code == 401
    assert await told(database, FileDownloaded) == []
    assert (await anonymous.get(path, headers={"X-Share-Password": PASSWORD})).status_code == 307


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_password_may_have_any_letters(encoding: str, anonymous: httpx.AsyncClient, share: Sharing) -> None:
    path = f"/s/{(await share(password='correct horse käse'))['token']}"
    header = {b"X-Share-Password": "correct horse käse".encode(encoding)}

    by_header = await anonymous.get(f"{path}/content", headers=header)
    by_form = await anonymous.post(path, data={"password": "correct horse käse"})

    assert (by_header.status_code, by_form.status_code) == (307, 303)


async def test_a_password_that_nobody_asks_for_does_no_harm(anonymous: httpx.AsyncClient, share: Sharing) -> None:
    made = await share()

    response = await anonymous.get(f"/s/{made['token']}/content", headers={"X-Share-Password": "x"})

    assert response.status_code == 307


async def test_unknown_and_revoked_links_look_alike(
    client: Client, anonymous: httpx.AsyncClient, share: Sharing
) -> None:
    made = await share(max_downloads=1)
    await client.delete(f"/v1/shares/{made['id']}")

    for token in (made["token"], "ws_" + "x" * 43, "x", "%00", "%ff", "é", "x" * 5000):
        for path in (f"/s/{token}", f"/s/{token}/content"):
            response = await anonymous.get(path, headers={"X-Request-Id": "r"})
            assert assert_problem(response, 404, "share-not-found") == {
                "type": "/problems/share-not-found",
                "title": "There is no such share, or it was revoked",
                "status": 404,
                "detail": "There is no such share, or it was revoked.",
                "instance": response.json()["instance"],
                "request_id": "r",
            }


async def test_a_share_ends_to_the_second(anonymous: httpx.AsyncClient, share: Sharing) -> None:
    made = await share(expires_at=in_days(1))
    moment = now()

    with time_machine.travel(moment + timedelta(days=1, seconds=-60), tick=False):
        redirect = await anonymous.get(f"/s/{made['token']}/content")
        (seconds,) = parse_qs(urlsplit(redirect.headers["Location"]).query)["X-Amz-Expires"]
        assert int(seconds) <= 61
    with time_machine.travel(moment + timedelta(days=1, seconds=1), tick=False):
        for path in (f"/s/{made['token']}", f"/s/{made['token']}/content"):
            assert_problem(await anonymous.get(path), 410, "share-expired")


async def test_a_share_ends_with_its_file(
    client: Client, anonymous: httpx.AsyncClient, share: Sharing, database: Database, file: File
) -> None:
    rejected = await database.save(a_processing_file(owner_id=client.account.id))
    expired = await database.save(an_available_file(owner_id=client.account.id, expires_at=now() + timedelta(hours=1)))
    links = [(await share(of=each))["token"] for each in (file, rejected, expired)]
    await client.delete(f"/v1/files/{file.id}")
    async with database.sessions.begin() as session:
        (await session.get_one(File, rejected.id)).reject(RejectedReason.CHECKSUM_MISMATCH)

    with time_machine.travel(now() + timedelta(hours=2), tick=False):
        for token in links:
            for path in (f"/s/{token}", f"/s/{token}/content"):
                assert_problem(await anonymous.get(path), 410, "file-gone")


async def test_a_share_ends_with_its_account(client: Client, anonymous: httpx.AsyncClient, share: Sharing) -> None:
    made = await share()

    await client.delete("/v1/me")

    for path in (f"/s/{made['token']}", f"/s/{made['token']}/content"):
        assert_problem(await anonymous.get(path), 404, "share-not-found")


async def test_a_file_is_shared_before_it_is_ready(
    client: Client, anonymous: httpx.AsyncClient, share: Sharing, database: Database
) -> None:
    for of in (a_pending_file(owner_id=client.account.id), a_processing_file(owner_id=client.account.id)):
        made = await share(of=await database.save(of), max_downloads=1)

        assert (await anonymous.get(f"/s/{made['token']}")).json()["status"] == of.status
        assert_problem(await anonymous.get(f"/s/{made['token']}/content"), 409, "file-not-ready")
    assert await told(database, FileDownloaded) == []


async def test_what_is_gone_or_rejected_is_not_shared(client: Client, database: Database) -> None:
    gone, rejected = an_available_file(owner_id=client.account.id), a_processing_file(owner_id=client.account.id)
    gone.delete()
    rejected.reject(RejectedReason.TOO_LARGE)
    for each, status, slug in ((gone, 410, "file-gone"), (rejected, 409, "file-not-ready")):
        file = await database.save(each)
        assert_problem(await client.post(f"/v1/files/{file.id}/shares", json={}), status, slug)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", "2020-01-01T00:00:00Z"),
        ("max_downloads", 0),
        ("max_downloads", 2**31),
        ("password", ""),
        ("password", "x" * 129),
        ("recipients", ["nobody"]),
        ("recipients", ["a@b.example"] * 21),
        ("message", "x" * 2001),
        ("message", "\x1b[2J"),
    ],
)
async def test_terms_that_nobody_can_mean_are_told_by_field(
    field: str, value: object, client: Client, file: File
) -> None:
    response = await client.post(f"/v1/files/{file.id}/shares", json={field: value})

    assert assert_problem(response, 422, "invalid")["errors"][0]["field"].startswith(field)


async def test_a_files_shares_are_listed_newest_first_page_by_page(client: Client, file: File, share: Sharing) -> None:
    made = [(await share())["id"] for _ in range(3)]

    first = await client.get(f"/v1/files/{file.id}/shares?limit=2")
    second = await client.get(first.links["next"]["url"])

    assert [item["id"] for item in first.json()["items"] + second.json()["items"]] == made[::-1]
    assert second.json()["next_cursor"] is None


async def test_a_strangers_file_and_share_are_not_found(
    client: Client, stranger: Client, file: File, share: Sharing, anonymous: httpx.AsyncClient
) -> None:
    made = await share()
    for theirs in (stranger, await service_of(stranger, *Scope)):
        assert_problem(await theirs.post(f"/v1/files/{file.id}/shares", json={}), 404, "file-not-found")
        assert_problem(await theirs.get(f"/v1/files/{file.id}/shares"), 404, "file-not-found")
        assert_problem(await theirs.delete(f"/v1/shares/{made['id']}"), 404, "share-not-found")
    assert_problem(await client.delete(f"/v1/shares/{new_id()}"), 404, "share-not-found")

    assert (await anonymous.get(f"/s/{made['token']}/content")).status_code == 307


async def test_asked_again_with_the_same_key_the_same_link_is_given_and_kept_nowhere(
    client: Client, file: File, share: Sharing, database: Database
) -> None:
    body = {"json": {"password": PASSWORD}, "headers": {"Idempotency-Key": "k"}}
    first, again = [await client.post(f"/v1/files/{file.id}/shares", **body) for _ in range(2)]

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert len(await database.rows("SELECT 1 FROM shares")) == 1
    for table in ("shares", "share_tokens", "commands", "outbox"):
        rows = str(await database.rows(f"SELECT * FROM {table}"))  # noqa: S608 - our own words
        assert first.json()["token"] not in rows
        assert PASSWORD not in rows


async def test_a_download_at_once_with_the_end_of_its_file_is_told_before_it(
    client: Client, anonymous: httpx.AsyncClient, share: Sharing, database: Database, storage: Storage
) -> None:
    for _ in range(10):
        file = await database.save(an_available_file(owner_id=client.account.id))
        made = await share(of=file)
        asked = [anonymous.get(f"/s/{made['token']}/content") for _ in range(5)]
        asked += [client.get(f"/v1/files/{file.id}/content") for _ in range(5)]
        await asyncio.gather(*asked[:5], client.delete(f"/v1/files/{file.id}"), *asked[5:])

        rows = await database.rows("SELECT type FROM outbox WHERE subject = :s ORDER BY id", s=file.id)
        types = [row.type for row in rows]
        assert "file.downloaded" not in types[types.index("file.delete_requested") :]
