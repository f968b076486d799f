"""A real Chromium: the machine's own, none is downloaded. Tests that ask for it are skipped where there is none."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
ARGS = (
    "--no-sandbox",  # as root it does not start with one; it sees nothing but our own pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # no page needs the Internet
)
PATIENCE_MS = 15_000


def installed() -> str | None:
    """Its executable."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(ON_MACOS) if ON_MACOS.exists() else None)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """For a context of one's own: `async with await chromium.new_context(color_scheme="dark") as context`."""
    if (executable := installed()) is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(NAMES)} is on the PATH")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """An empty one, which knows nothing of other tests."""
    async with await chromium.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        yield await context.new_page()
