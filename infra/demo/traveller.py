"""Who takes the steps: an HTTP client with an account, samples to send, and a memory of what was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from infra.demo.outcome import DemoFailed
from infra.demo.samples import Samples

TIMEOUT = httpx.Timeout(30, connect=5)
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(slots=True)
class Traveller:
    """What the steps share. `api` carries our token once we have one; `nobody` asks the same API without."""

    api: httpx.AsyncClient
    nobody: httpx.AsyncClient
    s3: httpx.AsyncClient
    samples: Samples
    maildir: Path | None = None
    """Where our mail arrives; None where we cannot look."""
    email: str = ""
    password: str = ""
    file_ids: dict[str, str] = field(default_factory=dict)
    """By the sample's name."""
    link: str = ""
    """The path of the last share."""
    link_password: str = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str, samples: Samples, maildir: Path | None) -> AsyncIterator[Self]:
        """One for the Waybill at `url`; a proxy of the environment is not asked the way to this machine."""
        abroad = urlsplit(url).hostname not in LOOPBACK
        async with (
            httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=abroad) as api,
            httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=abroad) as nobody,
            httpx.AsyncClient(timeout=TIMEOUT, trust_env=abroad) as s3,
        ):
            yield cls(api, nobody, s3, samples, maildir)

    async def ask(self, method: str, path: str, *, expect: int, **options: Any) -> httpx.Response:
        """Ask the API.

        Raises:
            DemoFailed: if it answers with another status than `expect`.

        """
        return answered(await self.api.request(method, path, **options), expect)


def answered(response: httpx.Response, expect: int) -> httpx.Response:
    """The response.

    Raises:
        DemoFailed: if its status is not `expect`.

    """
    if response.status_code == expect:
        return response
    raise DemoFailed(f"{asked(response.request)} answered {response.status_code}, not {expect}{_reason(response)}")


def asked(request: httpx.Request) -> str:
    """Method and address; the query stays out, since a presigned one lets in whoever reads it."""
    return f"{request.method} {request.url.copy_with(query=None)}"


def _reason(response: httpx.Response) -> str:
    """What the problem+json says of itself."""
    try:
        problem = response.json()
        return f": {problem['detail'].rstrip('.')} (request {problem['request_id']})"
    except (httpx.StreamError, ValueError, LookupError, TypeError, AttributeError):
        return ""
