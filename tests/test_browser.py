"""The browser of the tests works, and what they load comes from this machine alone."""

from typing import Any

import pytest
from playwright.async_api import Error, Page

from tests.serving import served

GREETING = (
    b"<!doctype html><title>Hello</title><p id=p>no script ran</p><script>p.textContent = navigator.userAgent</script>"
)


async def greet(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": GREETING})


async def test_a_real_browser_shows_a_page_of_this_machine(page: Page) -> None:
    async with served(greet) as address:
        await page.goto(address)

        assert await page.title() == "Hello"
        assert "Chrome/" in await page.inner_text("p")


async def test_it_reaches_nothing_else(page: Page) -> None:
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        await page.goto("http://example.com")
