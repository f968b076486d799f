import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from litestar import Litestar
from litestar.status_codes import HTTP_503_SERVICE_UNAVAILABLE

from api.app import create_app
from domain.accounts.model import Account
from domain.actor import Scope
from domain.sessions.model import Session
from infra.embedded import EmbeddedStack
from infra.settings import Settings, load_settings
from infra.telemetry import add_context
from tests.database import Database
from tests.factories import an_account


@dataclass
class Client:
    """An HTTP client of one account; `anonymous` has none."""

    account: Account
    http: httpx.AsyncClient
    headers: dict[str, str]
    session_id: UUID | None = None

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("DELETE", path, **options)


async def insisting(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """What it is answered in the end: where many ask at once, a slow machine tells some of them to come again."""
    while (answer := await ask()).status_code == HTTP_503_SERVICE_UNAVAILABLE:
        assert "Retry-After" in answer.headers
    return answer


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Without the decorated tracebacks that structlog makes where nobody has configured it: they take seconds."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[add_context, renderer])


@asynccontextmanager
async def running(settings: Settings, app: Litestar | None = None) -> AsyncIterator[Litestar]:
    """Its lifespan lives in a task of its own: pytest would enter and leave it in two."""
    app = app or create_app(settings)
    started, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ended.wait()

    living = asyncio.create_task(live())
    await asyncio.wait([living, asyncio.create_task(started.wait())], return_when=asyncio.FIRST_COMPLETED)
    yield app
    ended.set()
    await living


@pytest.fixture(scope="session")
def built(stack: EmbeddedStack) -> Litestar:
    """The app without its resources: to build it takes longer than most tests."""
    return create_app(load_settings(stack.environment))


@pytest.fixture
async def app(built: Litestar, settings: Settings) -> AsyncIterator[Litestar]:
    """With this test's resources."""
    built.state.settings = settings
    async with running(settings, built) as app:
        yield app


def http_client(app: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://waybill.test")


@pytest.fixture
async def anonymous(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(app) as client:
        yield client


async def client_of(account: Account, app: Litestar, http: httpx.AsyncClient, database: Database) -> Client:
    async with database.sessions.begin() as session:
        session.add(begun := Session.begin(account.id, user_agent=None))
    token = app.state.access_tokens.issue(account.id, begun.id).token
    return Client(account, http, {"Authorization": f"Bearer {token}"}, begun.id)


async def service_of(client: Client, *scopes: Scope) -> Client:
    """A service with a token of this client's account."""
    made = await client.post("/v1/service-tokens", json={"name": "a service", "scopes": scopes})
    return Client(client.account, client.http, {"Authorization": f"Bearer {made.json()['token']}"})


@pytest.fixture
async def client(app: Litestar, anonymous: httpx.AsyncClient, database: Database) -> Client:
    return await client_of(await database.save(an_account()), app, anonymous, database)


@pytest.fixture
async def stranger(app: Litestar, anonymous: httpx.AsyncClient, database: Database) -> Client:
    """Another account's client."""
    return await client_of(await database.save(an_account()), app, anonymous, database)
