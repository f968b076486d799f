"""People register, log in, and use the token."""

import httpx
import pytest

from domain.accounts.events import AccountRegistered
from tests.database import Database

PASSWORD = "correct horse battery"


async def register(http: httpx.AsyncClient, email: str = "ada@example.com") -> httpx.Response:
    return await http.post("/v1/accounts", json={"email": email, "password": PASSWORD, "name": "Ada"})


async def test_registering_opens_an_account_and_announces_it(anonymous: httpx.AsyncClient, database: Database) -> None:
    response = await register(anonymous, "Ada@Example.com")

    assert response.status_code == 201
    body = response.json()
    assert (body["email"], body["name"], body["verified"]) == ("ada@example.com", "Ada", False)
    (event,) = await database.recorded()
    assert isinstance(event, AccountRegistered)
    ((stored,),) = await database.rows("SELECT password_hash FROM accounts")
    assert stored.startswith("$argon2id$")


async def test_an_address_is_taken_only_once(anonymous: httpx.AsyncClient) -> None:
    await register(anonymous)

    response = await register(anonymous, "ADA@example.com")

    assert response.status_code == 409
    assert response.json()["type"] == "/problems/email-taken"


async def test_a_session_gives_a_token_that_opens_the_account(anonymous: httpx.AsyncClient) -> None:
    await register(anonymous)

    session = await anonymous.post("/v1/sessions", json={"email": "ada@example.com", "password": PASSWORD})

    assert session.status_code == 201
    token = session.json()["access_token"]
    assert token.startswith("v4.local.")
    files = await anonymous.get("/v1/files", headers={"Authorization": f"Bearer {token}"})
    assert files.status_code == 200


@pytest.mark.parametrize(
    "body",
    [{"email": "ada@example.com", "password": "wrong password"}, {"email": "eve@example.com", "password": PASSWORD}],
)
async def test_wrong_credentials_are_refused_alike(body: dict[str, str], anonymous: httpx.AsyncClient) -> None:
    await register(anonymous)

    response = await anonymous.post("/v1/sessions", json=body)

    assert response.status_code == 401
    assert response.json()["type"] == "/problems/wrong-credentials"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="waybill"'
