"""What browsers are told to do, and not to do, with every answer of ours."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from api.bodies import MAX_BODY_SIZE
from infra.settings import Settings
from tests.api.conftest import Client, http_client, running

ORIGIN = "https://app.example.com"
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
TOO_LARGE = {"email": "a" * MAX_BODY_SIZE}
ANSWERS = {
    "an answer": ("GET", "/v1/files", None, 200),
    "text": ("GET", "/", None, 200),
    "nowhere": ("GET", "/v1/nowhere", None, 404),
    "a wrong method": ("PATCH", "/v1/files", None, 405),
    "a refusal": ("POST", "/v1/accounts", {}, 422),
    "too large": ("POST", "/v1/accounts", TOO_LARGE, 413),
}


@pytest.fixture
async def at_home(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that is reached by TLS, and whose pages live elsewhere."""
    public = msgspec.structs.replace(settings, public_url="https://files.example.com", cors_origins=(ORIGIN,))
    async with running(public) as app, http_client(app) as http:
        yield http


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS.values(), ids=ANSWERS)
async def test_every_answer_is_safe_in_a_browser(
    method: str, path: str, body: object, status: int, client: Client
) -> None:
    response = await client.request(method, path, json=body, headers={"Origin": ORIGIN})

    assert response.status_code == status
    assert {name: response.headers.get(name) for name in SAFE} == SAFE
    for absent in ("Server", "Strict-Transport-Security", "Access-Control-Allow-Origin"):
        assert absent not in response.headers


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS.values(), ids=ANSWERS)
async def test_behind_tls_browsers_are_told_to_stay_there(
    method: str, path: str, body: object, status: int, at_home: httpx.AsyncClient
) -> None:
    response = await at_home.request(method, path, json=body)

    assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/", "/v1/files", "/v1/nowhere"])
async def test_pages_of_the_origins_that_are_set_may_read_answers(path: str, at_home: httpx.AsyncClient) -> None:
    response = await at_home.get(path, headers={"Origin": ORIGIN})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in response.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in response.headers
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"ETag", "Location", "X-Request-Id", "Idempotent-Replayed", "Retry-After"} <= set(exposed.split(", "))


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://app.example.com", f"{ORIGIN}.evil.com", "null"])
async def test_pages_of_others_may_not(origin: str, at_home: httpx.AsyncClient) -> None:
    assert "Access-Control-Allow-Origin" not in (await at_home.get("/", headers={"Origin": origin})).headers


async def test_a_browser_may_ask_beforehand(at_home: httpx.AsyncClient) -> None:
    asking = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, if-match",
    }
    allowed = await at_home.options("/v1/files", headers=asking)
    refused = await at_home.options("/v1/files", headers=asking | {"Origin": "https://evil.example.com"})

    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert refused.status_code == 400
    assert "Access-Control-Allow-Origin" not in refused.headers
