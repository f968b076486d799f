"""People register, and show that they read what is sent to their address."""

import asyncio
from datetime import timedelta

import httpx

from domain.accounts.events import AccountRegistered, AccountVerified
from domain.accounts.one_time import Purpose, mint
from domain.aggregate import now
from tests.api.conftest import Client
from tests.api.matrix import assert_problem
from tests.database import Database

PASSWORD = "correct horse battery"


async def a_token(
    database: Database, client: Client, purpose: Purpose = Purpose.VERIFICATION, **changed: object
) -> str:
    """As the mail has it."""
    minted = mint(client.account.id, purpose)
    for name, value in changed.items():
        setattr(minted.stored, name, value)
    async with database.sessions.begin() as session:
        session.add(minted.stored)
    return minted.token


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


async def test_a_token_of_the_mail_verifies_the_address_once(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    token = await a_token(database, client)
    assert (await client.get("/v1/me")).json()["verified"] is False

    assert (await anonymous.post("/v1/accounts/verify", json={"token": token})).status_code == 204

    assert (await client.get("/v1/me")).json()["verified"] is True
    assert await database.recorded() == [AccountVerified(account_id=client.account.id)]
    again = await anonymous.post("/v1/accounts/verify", json={"token": token})
    assert_problem(again, 422, "bad-one-time-token")


async def test_the_second_of_two_mails_verifies_too_and_tells_nothing_new(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    for token in [await a_token(database, client) for _ in range(2)]:
        assert (await anonymous.post("/v1/accounts/verify", json={"token": token})).status_code == 204

    assert await database.recorded() == [AccountVerified(account_id=client.account.id)]


async def test_of_two_at_once_one_uses_the_token(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    token = {"token": await a_token(database, client)}

    answers = await asyncio.gather(*[anonymous.post("/v1/accounts/verify", json=token) for _ in range(5)])

    assert sorted(answer.status_code for answer in answers) == [204, 422, 422, 422, 422]


async def test_every_bad_token_gets_the_same_answer(
    client: Client, stranger: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    good = await a_token(database, client)
    bad = [
        "",
        good + "x",
        await a_token(database, client, used_at=now()),
        await a_token(database, client, expires_at=now()),
        await a_token(database, client, Purpose.PASSWORD_RESET),
        await a_token(database, stranger),
    ]
    await stranger.delete("/v1/me")

    answers = [
        await anonymous.post("/v1/accounts/verify", json={"token": token}, headers={"X-Request-Id": "r"})
        for token in bad
    ]

    assert {answer.content for answer in answers} == {answers[0].content}
    assert assert_problem(answers[0], 422, "bad-one-time-token")["errors"][0]["field"] == "token"


async def test_a_token_is_good_for_a_day(client: Client) -> None:
    stored = mint(client.account.id, Purpose.VERIFICATION).stored

    assert stored.expires_at - stored.created_at == timedelta(hours=24)
