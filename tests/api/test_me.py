"""People look at their own account, change it, and close it for good."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api import promising
from domain.accounts.commands import close_account
from domain.accounts.events import AccountDeleted
from domain.accounts.one_time import Purpose
from domain.accounts.queries import own_account, require_open
from domain.actor import Actor, PersonOnly
from domain.aggregate import new_id, now
from domain.files import commands
from domain.files.events import FileUploaded
from domain.service_tokens.model import ServiceToken, SigningKey
from infra.storage import Storage
from tests.api.conftest import Client
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.api.test_accounts import PASSWORD, a_token, register
from tests.database import Database
from tests.factories import a_pending_file, an_available_file


async def test_an_account_says_what_its_files_take(client: Client, stranger: Client, database: Database) -> None:
    owner_id = client.account.id
    deleted = an_available_file(owner_id=owner_id, size=1000)
    deleted.delete()
    for file in (an_available_file(owner_id=owner_id, size=5), a_pending_file(owner_id=owner_id, size=7), deleted):
        await database.save(file)
    await database.save(an_available_file(owner_id=stranger.account.id, size=100))

    me = (await client.get("/v1/me")).json()

    assert me.pop("storage") == {"used_bytes": 12, "quota_bytes": 100 * 1024**3, "files": 2}
    assert me.pop("created_at")
    assert me == {"id": str(owner_id), "email": client.account.email, "name": None, "verified": False}


async def test_an_accounts_own_quota_is_shown(client: Client, database: Database) -> None:
    await database.execute("UPDATE accounts SET quota_bytes = 0")

    assert (await client.get("/v1/me")).json()["storage"]["quota_bytes"] == 0


async def test_a_name_is_changed_kept_and_removed(client: Client) -> None:
    for change, name in (({"name": "Ada"}, "Ada"), ({}, "Ada"), ({"name": None}, None)):
        response = await client.patch("/v1/me", json=change)
        assert (response.status_code, response.json()["name"]) == (200, name)
        assert (await client.get("/v1/me")).json() == response.json()


@pytest.mark.parametrize("change", [{"name": ""}, {"name": "a\nb"}, {"email": "x@example.com"}, {"verified": True}])
async def test_what_may_not_be_changed_is_refused(change: dict[str, Any], client: Client) -> None:
    assert_problem(await client.patch("/v1/me", json=change), 422, "invalid")


async def test_closing_an_account_forgets_the_person_and_announces_it(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    token = await a_token(database, client, Purpose.PASSWORD_RESET)
    await database.execute("UPDATE accounts SET name = 'Ada', password_hash = 'x'")

    assert (await client.delete("/v1/me")).status_code == 204

    assert await database.recorded() == [AccountDeleted(account_id=client.account.id)]
    row = "SELECT email, name, password_hash FROM accounts"
    assert await database.rows(row) == [(None, None, "")]
    assert await database.rows("SELECT 1 FROM one_time_tokens") == []
    confirm = {"token": token, "password": PASSWORD}
    assert_problem(await anonymous.post("/v1/password-resets/confirm", json=confirm), 422, "bad-one-time-token")


async def test_a_closed_account_lets_nobody_in_and_its_address_is_free(
    anonymous: httpx.AsyncClient, database: Database
) -> None:
    await register(anonymous)
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    session = (await anonymous.post("/v1/sessions", json=credentials)).json()
    headers = {"Authorization": f"Bearer {session['access_token']}"}

    assert (await anonymous.delete("/v1/me", headers=headers)).status_code == 204

    assert_problem(await anonymous.get("/v1/files", headers=headers), 401, "bad-token")
    assert_problem(await anonymous.post("/v1/sessions", json=credentials), 401, "wrong-credentials")
    refresh = {"refresh_token": session["refresh_token"]}
    assert_problem(await anonymous.post("/v1/sessions/refresh", json=refresh), 401, "bad-refresh-token")
    assert (await register(anonymous)).status_code == 201


async def test_closing_an_account_revokes_its_service_tokens(client: Client, database: Database) -> None:
    async with database.sessions.begin() as session:
        session.add(SigningKey(kid="k", paserk="p", created_at=now()))
        await session.flush()
        times = {"created_at": now(), "expires_at": now()}
        session.add(ServiceToken(id=new_id(), account_id=client.account.id, name="n", scopes=[], kid="k", **times))

    await client.delete("/v1/me")

    assert await database.rows("SELECT 1 FROM service_tokens WHERE revoked_at IS NULL") == []


@pytest.mark.parametrize(
    ("path", "headers", "body", "begins"),
    [
        ("/v1/files", {}, {"files": {"file": ("a", b"abc")}}, (commands, "_promised")),
        ("/v1/uploads", {"Idempotency-Key": "once"}, {"json": {"name": "a", "size": 3}}, (commands, "_promised")),
        ("/v1/uploads", {}, {"json": {"name": "a", "size": 3}}, (promising, "promise_at_once")),
    ],
)
async def test_an_upload_that_runs_while_its_account_is_closed_leaves_nothing_behind(
    path: str,
    headers: dict[str, str],
    body: dict[str, Any],
    begins: tuple[Any, str],
    client: Client,
    database: Database,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever comes second sees the first: the upload is refused, or its file is there to be deleted."""
    leftovers, promised = Leftovers(database, storage), getattr(*begins)

    async def after_the_end(*arguments: Any, **named: Any) -> Any:
        assert (await client.delete("/v1/me")).status_code == 204
        return await promised(*arguments, **named)

    monkeypatch.setattr(*begins, after_the_end)
    answer = await client.post(path, headers=headers, **body)

    assert_problem(answer, 401, "account-closed")
    assert await database.rows("SELECT 1 FROM files") == []
    assert await leftovers.objects() == []
    assert not [event for event in await database.recorded() if isinstance(event, FileUploaded)]


async def test_an_account_is_closed_after_the_upload_that_is_being_accepted(client: Client, database: Database) -> None:
    """So that its file is there when the account's files are deleted."""
    async with database.sessions.begin() as uploading:
        await require_open(uploading, client.account.id)
        async with database.sessions() as closing:
            await closing.execute(text("SET LOCAL lock_timeout = '50ms'"))
            with pytest.raises(DBAPIError, match="lock timeout"):
                await close_account(closing, Actor(account_id=client.account.id))


@pytest.mark.parametrize("do", [own_account, close_account])
async def test_a_service_may_not(do: Any, client: Client, database: Database) -> None:
    async with database.sessions() as session:
        with pytest.raises(PersonOnly):
            await do(session, Actor(account_id=client.account.id, service_token_id=new_id()))
