"""A forgotten password is replaced by whoever reads the mail, and by nobody else."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar

from domain.accounts import passwords
from domain.accounts.commands import RequestPasswordReset, request_password_reset
from domain.accounts.events import PasswordResetRequested
from domain.accounts.one_time import Purpose, mint
from domain.actor import Scope
from domain.aggregate import now
from tests.api.conftest import Client, client_of, service_of
from tests.api.matrix import assert_problem
from tests.api.test_accounts import a_token
from tests.database import Database
from tests.factories import an_account

OLD, NEW = "the old password", "quite another password"


@pytest.fixture
async def client(app: Litestar, anonymous: httpx.AsyncClient, database: Database) -> Client:
    """One whose account has a password."""
    account = an_account(password_hash=await passwords.hashed(OLD, email=""))
    return await client_of(await database.save(account), app, anonymous, database)


async def log_in(client: Client, password: str) -> httpx.Response:
    credentials = {"email": client.account.email, "password": password}
    return await client.http.post("/v1/sessions", json=credentials)


async def confirm(http: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await http.post("/v1/password-resets/confirm", json={"token": token, "password": password})


async def test_asking_for_a_reset_announces_it_without_saying_whose_address_it_was(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    response = await anonymous.post("/v1/password-resets", json={"email": str(client.account.email).upper()})

    assert (response.status_code, response.content) == (202, b"")
    (event,) = await database.recorded()
    assert event == PasswordResetRequested(account_id=client.account.id)
    assert set(msgspec.to_builtins(event)) == {"account_id"}


async def test_an_unknown_address_gets_the_same_answer_as_late(
    client: Client, anonymous: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.accounts.RESET_SECONDS", 1.0)
    answers = [
        await anonymous.post("/v1/password-resets", json={"email": email}, headers={"X-Request-Id": "r"})
        for email in (client.account.email, "nobody@example.com", "no address")
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({(tuple(answer.headers.items()), answer.content) for answer in answers}) == 1
    assert all(1.0 <= answer.elapsed.total_seconds() < 2.0 for answer in answers)
    assert len(await database.recorded()) == 1


async def test_whoever_asks_while_another_request_for_it_runs_does_not_wait(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    """Only a known address has a row to wait for: time would tell."""
    async with database.sessions.begin() as another, asyncio.timeout(5):
        await request_password_reset(another, RequestPasswordReset(email=str(client.account.email)))

        response = await anonymous.post("/v1/password-resets", json={"email": client.account.email})

    assert response.status_code == 202


async def test_the_mails_token_sets_another_password_and_ends_every_session(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    refresh_token = (await log_in(client, OLD)).json()["refresh_token"]
    others = await a_token(database, client, Purpose.PASSWORD_RESET)
    token = await a_token(database, client, Purpose.PASSWORD_RESET)
    assert (await client.get("/v1/me")).status_code == 200

    assert (await confirm(anonymous, token)).status_code == 204

    assert (await log_in(client, NEW)).status_code == 201
    assert_problem(await log_in(client, OLD), 401, "wrong-credentials")
    assert_problem(await client.get("/v1/me"), 401, "bad-token")
    refreshed = await anonymous.post("/v1/sessions/refresh", json={"refresh_token": refresh_token})
    assert_problem(refreshed, 401, "bad-refresh-token")
    for used_up in (token, others):
        assert_problem(await confirm(anonymous, used_up), 422, "bad-one-time-token")


async def test_whoever_read_the_mail_has_verified_the_address(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    await confirm(anonymous, await a_token(database, client, Purpose.PASSWORD_RESET))

    assert (await database.get(client.account)).is_verified


async def test_only_a_good_token_for_this_purpose_sets_a_password(
    client: Client, stranger: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    late = await a_token(database, client, Purpose.PASSWORD_RESET, expires_at=now())
    for token in ("x", late, await a_token(database, client, Purpose.VERIFICATION)):
        assert_problem(await confirm(anonymous, token), 422, "bad-one-time-token")
    theirs = await a_token(database, stranger, Purpose.PASSWORD_RESET)
    assert (await confirm(anonymous, theirs)).status_code == 204

    assert (await log_in(client, OLD)).status_code == 201


async def test_a_token_of_a_closed_account_does_nothing(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    await client.delete("/v1/me")
    reset = await a_token(database, client, Purpose.PASSWORD_RESET)
    verification = await a_token(database, client, Purpose.VERIFICATION)

    assert_problem(await confirm(anonymous, reset), 422, "bad-one-time-token")
    verified = await anonymous.post("/v1/accounts/verify", json={"token": verification})
    assert_problem(verified, 422, "bad-one-time-token")

    assert await database.rows("SELECT password_hash, verified_at FROM accounts") == [("", None)]


@pytest.mark.parametrize(("verified", "status"), [(False, 401), (True, 200)])
async def test_service_tokens_from_before_the_address_was_anybodys_end_with_the_reset(
    verified: bool, status: int, client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    """Whoever registers somebody else's address keeps nothing when its owner comes."""
    if verified:
        await database.execute("UPDATE accounts SET verified_at = now()")
    service = await service_of(client, Scope.FILES_READ)

    await confirm(anonymous, await a_token(database, client, Purpose.PASSWORD_RESET))

    assert (await service.get("/v1/files")).status_code == status


async def test_a_right_password_is_right_while_its_hash_is_renewed_by_another_login(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    others, renewed = [await passwords.hashed(OLD, email="")], passwords.renewed

    async def late(password: str, password_hash: str) -> str:
        if others:
            await database.execute("UPDATE accounts SET password_hash = :hash", hash=others.pop())
        return await renewed(password, password_hash)

    monkeypatch.setattr(passwords, "renewed", late)

    assert (await log_in(client, OLD)).status_code == 201


@pytest.mark.parametrize("password", ["too short", "x" * 129])
async def test_a_password_must_be_as_good_as_a_first_one(
    password: str, client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    token = await a_token(database, client, Purpose.PASSWORD_RESET)

    problem = assert_problem(await confirm(anonymous, token, password), 422, "invalid")

    assert problem["errors"][0]["field"] == "password"
    assert (await confirm(anonymous, token)).status_code == 204


async def test_a_reset_is_good_for_an_hour() -> None:
    stored = mint(UUID(int=0), Purpose.PASSWORD_RESET).stored

    assert stored.expires_at - stored.created_at == timedelta(hours=1)
