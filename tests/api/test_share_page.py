"""What people see who open the link of a share: real pages, in a real browser, without scripts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from litestar import Litestar
from playwright.async_api import Browser, Page

from domain.aggregate import now
from domain.files.model import File
from infra.storage import Storage
from tests.api.conftest import Client
from tests.database import Database
from tests.factories import a_processing_file, an_available_file
from tests.serving import served

PASSWORD = "correct horse share"
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HOSTILE = """\"><img src=x onerror=alert(1)>'</title></style><script>alert(2)</script>{{ 7*7 }}&#x202e;\u202egnp.exe"""


@pytest.fixture
async def address(app: Litestar) -> AsyncIterator[str]:
    async with served(app) as address:
        yield address


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """Whose scripts are off: nothing may need them."""
    async with await chromium.new_context(java_script_enabled=False) as context:
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        yield page
        assert [text for text in complaints if "Content Security Policy" in text] == []


async def a_file(client: Client, database: Database, storage: Storage, **values: Any) -> File:
    file = await database.save(an_available_file(owner_id=client.account.id, **values))
    await storage.put(file.key, b"abc", content_type=file.content_type)
    return file


@pytest.fixture
async def file(client: Client, database: Database, storage: Storage) -> File:
    return await a_file(client, database, storage, name="Grandma's 80th — photos.zip", content_type="application/zip")


async def link(client: Client, file: File, **terms: Any) -> str:
    """Its path."""
    made = (await client.post(f"/v1/files/{file.id}/shares", json=terms)).json()
    return f"/s/{made['token']}"


def content(downloaded: Path) -> bytes:
    return downloaded.read_bytes()


async def test_a_person_downloads_by_one_click(client: Client, file: File, page: Page, address: str) -> None:
    await page.goto(address + await link(client, file, max_downloads=2, expires_at="2100-02-03T04:05:00Z"))

    assert await page.inner_text("h1") == "Grandma's 80th — photos.zip"
    assert "ZIP archive, 3 bytes" in await page.inner_text("main")
    assert "3 February 2100, 04:05 UTC" in await page.inner_text("dl")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download").click()
    download = await started.value
    assert content(await download.path()) == b"abc"
    assert download.suggested_filename == "Grandma's 80th — photos.zip"
    await page.reload()
    assert (await page.inner_text("dd >> nth=1")) == "1"


async def test_a_person_is_asked_for_the_password_until_it_is_right(
    client: Client, file: File, page: Page, address: str
) -> None:
    await page.goto(address + await link(client, file, password=PASSWORD, max_downloads=1))
    field, button = page.get_by_label("Password"), page.get_by_role("button", name="Download")

    await field.fill("correct horse shame")
    await button.click()

    assert await page.get_by_role("alert").inner_text() == "That is not the password. Try again."
    assert await field.get_attribute("aria-invalid") == "true"
    assert await field.input_value() == ""
    await field.fill(PASSWORD)
    async with page.expect_download() as started:
        await button.click()
    download = await started.value
    assert content(await download.path()) == b"abc"
    assert await page.inner_text("h1") == "Your download is starting"


async def test_the_bare_link_to_the_bytes_asks_for_the_password_too(
    client: Client, file: File, page: Page, address: str
) -> None:
    await page.goto(address + await link(client, file, password=PASSWORD) + "/content")

    assert await page.get_by_role("alert").count() == 0
    await page.get_by_label("Password").fill(PASSWORD)
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Download").click()
    assert content(await (await started.value).path()) == b"abc"


@pytest.mark.parametrize("width", [320, 1280])
async def test_a_hostile_name_is_only_a_name(
    width: int, client: Client, database: Database, storage: Storage, chromium: Browser, address: str
) -> None:
    file = await a_file(client, database, storage, name=(HOSTILE + "x" * 255)[:255])
    path = await link(client, file)
    async with await chromium.new_context(viewport={"width": width, "height": 700}) as context:  # its scripts would run
        page = await context.new_page()
        alarms: list[str] = []
        page.on("dialog", lambda dialog: alarms.append(dialog.message))

        await page.goto(address + path)

        shown = file.name.replace("\u202e", "\N{REPLACEMENT CHARACTER}")
        assert await page.inner_text("h1") == shown
        assert await page.title() == f"{shown} · Waybill"
        assert await page.locator("img, script").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert alarms == []


async def test_each_way_in_which_a_link_ends_is_told_in_words(
    client: Client, anonymous: httpx.AsyncClient, file: File, database: Database, storage: Storage
) -> None:
    used_up, revoked = await link(client, file, max_downloads=1), await link(client, file)
    await anonymous.get(f"{used_up}/content")
    (share, *_) = (await client.get(f"/v1/files/{file.id}/shares")).json()["items"]
    await client.delete(f"/v1/shares/{share['id']}")
    gone = await a_file(client, database, storage)
    of_gone, expired = await link(client, gone), await link(client, file, expires_at=str(now() + timedelta(hours=1)))
    await client.delete(f"/v1/files/{gone.id}")

    with time_machine.travel(now() + timedelta(hours=2), tick=False):
        for path, status, words in (
            (used_up, 410, "This link is used up"),
            (revoked, 404, "This link leads nowhere"),
            ("/s/unknown", 404, "This link leads nowhere"),
            (of_gone, 410, "This file is gone"),
            (expired, 410, "This link has expired"),
        ):
            for each in (path, f"{path}/content"):
                response = await anonymous.get(each, headers=HTML)
                assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
                assert f"<h1>{words}</h1>" in response.text


async def test_a_file_that_is_not_ready_can_be_looked_at_again(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    path = await link(client, await database.save(a_processing_file(owner_id=client.account.id)), password=PASSWORD)

    for each, status in ((path, 200), (f"{path}/content", 401)):
        response = await anonymous.get(each, headers=HTML)
        assert response.status_code == status
        assert "still being checked" in response.text
        assert "<form" not in response.text


async def test_who_asks_gets_what_they_can_read(client: Client, anonymous: httpx.AsyncClient, file: File) -> None:
    path = await link(client, file)
    for accept, kind in (
        (HTML["Accept"], "text/html"),
        ("TEXT/HTML", "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/json;q=0.1, text/html;q=0.2", "text/html"),
        ("text/html;q=x, ;;,q=", "application/json"),
        ("", "application/json"),
    ):
        response = await anonymous.get(path, headers={"Accept": accept})
        assert response.headers["Content-Type"].partition(";")[0] == kind, accept
        assert response.headers["Vary"] == "Accept"
        assert response.headers["X-Robots-Tag"] == "noindex"


async def test_a_page_may_load_and_run_nothing(client: Client, anonymous: httpx.AsyncClient, file: File) -> None:
    path = await link(client, file, password=PASSWORD)
    for response in (await anonymous.get(path, headers=HTML), await anonymous.get("/s/x", headers=HTML)):
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_the_form_without_a_browser_leads_to_the_bytes(
    client: Client, anonymous: httpx.AsyncClient, file: File
) -> None:
    path = await link(client, file, password=PASSWORD)

    wrong = await anonymous.post(path, data={"password": "x"})
    odd = [await anonymous.post(path, data={}), await anonymous.post(path, json={"password": PASSWORD})]
    right = await anonymous.post(path, data={"password": PASSWORD})

    assert wrong.json()["type"] == "/problems/share-password-wrong"
    assert [each.status_code for each in odd] == [415, 415]
    async with httpx.AsyncClient() as s3:
        assert right.status_code == 303
        assert (await s3.get(right.headers["Location"])).content == b"abc"


@pytest.mark.parametrize(
    "form", [b"password=" + b"x" * 5000, b"password=%ff", b"\xff", b"&".join([b"password=x"] * 11)]
)
async def test_a_form_that_no_page_sends_is_refused(
    form: bytes, client: Client, anonymous: httpx.AsyncClient, file: File
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | HTML

    response = await anonymous.post(await link(client, file, password=PASSWORD), content=form, headers=headers)

    assert response.status_code == 400
    assert "<h1>The request cannot be parsed</h1>" in response.text
