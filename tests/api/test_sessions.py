"""People log in, stay in, see where they are logged in, and log out: at once here, within seconds elsewhere."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar

from domain.actor import Actor, PersonOnly
from domain.aggregate import new_id, now
from domain.sessions.commands import EndSession, end_session
from domain.sessions.queries import own_sessions
from infra.settings import Settings
from tests.api.conftest import Client, http_client, running
from tests.api.matrix import assert_problem
from tests.api.test_accounts import PASSWORD, register
from tests.database import Database

KEY = {"Idempotency-Key": "k"}


@pytest.fixture
async def session(anonymous: httpx.AsyncClient) -> dict[str, Any]:
    """As the API gives it to somebody who has just logged in."""
    await register(anonymous)
    credentials = {"email": "Ada@example.com", "password": PASSWORD}
    answer = await anonymous.post("/v1/sessions", json=credentials, headers={"User-Agent": "laptop"})
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    return found


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['access_token']}"}


async def refresh(http: httpx.AsyncClient, session: dict[str, Any], **headers: str) -> httpx.Response:
    body = {"refresh_token": session["refresh_token"]}
    return await http.post(
        "/v1/sessions/refresh", json=body, headers={n.replace("_", "-"): v for n, v in headers.items()}
    )


async def test_a_session_gives_a_token_that_opens_the_account(
    session: dict[str, Any], anonymous: httpx.AsyncClient, database: Database
) -> None:
    assert set(session) == {
        *("session_id", "access_token", "access_token_expires_at"),
        *("refresh_token", "refresh_token_expires_at"),
    }
    assert session["access_token"].startswith("v4.local.")
    assert session["refresh_token"].startswith("wr_")
    assert (await anonymous.get("/v1/files", headers=bearer(session))).status_code == 200
    stored = str(await database.rows("SELECT * FROM refresh_tokens"))
    assert session["refresh_token"][3:] not in stored


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ada@example.com", "password": "wrong password"},
        {"email": "eve@example.com", "password": PASSWORD},
        {"email": "", "password": ""},
    ],
)
async def test_wrong_credentials_are_refused_alike(body: dict[str, str], anonymous: httpx.AsyncClient) -> None:
    await register(anonymous)

    assert_problem(await anonymous.post("/v1/sessions", json=body), 401, "wrong-credentials")


async def test_a_refresh_token_works_once_and_prolongs_the_session(
    session: dict[str, Any], anonymous: httpx.AsyncClient
) -> None:
    answer = await refresh(anonymous, session)

    assert answer.status_code == 200
    fresh = answer.json()
    assert fresh["session_id"] == session["session_id"]
    assert fresh["refresh_token"] != session["refresh_token"]
    assert fresh["refresh_token_expires_at"] > session["refresh_token_expires_at"]
    assert (await anonymous.get("/v1/me", headers=bearer(fresh))).status_code == 200
    assert (await refresh(anonymous, fresh)).status_code == 200


@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "k"}], ids=["no key", "a key"])
async def test_using_it_again_revokes_the_session_for_good(
    key: dict[str, str], session: dict[str, Any], anonymous: httpx.AsyncClient, database: Database
) -> None:
    fresh = (await refresh(anonymous, session)).json()
    assert (await anonymous.get("/v1/me", headers=bearer(fresh))).status_code == 200

    assert_problem(await refresh(anonymous, session, **key), 401, "refresh-token-reused")

    assert_problem(await anonymous.get("/v1/me", headers=bearer(fresh)), 401, "bad-token")
    assert_problem(await refresh(anonymous, fresh), 401, "bad-refresh-token")
    assert len(await database.rows("SELECT 1 FROM sessions WHERE revoked_at IS NOT NULL")) == 1


async def test_of_many_refreshes_at_once_one_wins_and_the_others_are_reuse(
    session: dict[str, Any], anonymous: httpx.AsyncClient
) -> None:
    answers = await asyncio.gather(*[refresh(anonymous, session) for _ in range(5)])

    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    (fresh,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert_problem(await refresh(anonymous, fresh), 401, "bad-refresh-token")


async def test_a_refresh_that_was_not_heard_can_be_asked_again(
    session: dict[str, Any], anonymous: httpx.AsyncClient
) -> None:
    first, second = [await refresh(anonymous, session, Idempotency_Key="k") for _ in range(2)]

    assert second.headers["Idempotent-Replayed"] == "true"
    assert (first.status_code, first.json()) == (200, second.json())
    assert (await refresh(anonymous, second.json())).status_code == 200


@pytest.mark.parametrize("what", ["refresh_tokens", "sessions"])
async def test_what_has_expired_is_not_refreshed(
    what: str, session: dict[str, Any], anonymous: httpx.AsyncClient, database: Database
) -> None:
    await database.execute(f"UPDATE {what} SET expires_at = now()")  # noqa: S608

    assert_problem(await refresh(anonymous, session), 401, "bad-refresh-token")


async def test_an_unknown_refresh_token_is_refused(anonymous: httpx.AsyncClient) -> None:
    for token in ("", "x", "wr_x", "é" * 100):
        assert_problem(await refresh(anonymous, {"refresh_token": token}), 401, "bad-refresh-token")


async def test_people_see_where_they_are_logged_in(
    session: dict[str, Any], client: Client, anonymous: httpx.AsyncClient
) -> None:
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    agent = {"User-Agent": "tele\x1b[31mphone" + "x" * 300}
    phone = (await anonymous.post("/v1/sessions", json=credentials, headers=agent)).json()

    page = (await anonymous.get("/v1/sessions", headers=bearer(session))).json()

    assert page["next_cursor"] is None
    assert [(each["id"], each["current"]) for each in page["items"]] == [
        (phone["session_id"], False),
        (session["session_id"], True),
    ]
    assert [each["user_agent"] for each in page["items"]] == [("tele[31mphone" + "x" * 300)[:200], "laptop"]
    assert {"created_at", "refreshed_at", "expires_at"} < set(page["items"][0])
    assert [each["id"] for each in (await client.get("/v1/sessions")).json()["items"]] == [str(client.session_id)]


async def test_sessions_come_in_pages(session: dict[str, Any], anonymous: httpx.AsyncClient) -> None:
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    await anonymous.post("/v1/sessions", json=credentials)

    first = await anonymous.get("/v1/sessions?limit=1", headers=bearer(session))
    second = await anonymous.get(first.links["next"]["url"], headers=bearer(session))

    assert second.json()["items"][0]["id"] == session["session_id"]
    assert second.json()["next_cursor"] is None
    bad = await anonymous.get("/v1/sessions?cursor=x", headers=bearer(session))
    assert assert_problem(bad, 422, "invalid")["errors"][0]["field"] == "cursor"


async def test_sessions_that_have_ended_are_not_shown(client: Client, database: Database) -> None:
    await database.execute(
        "INSERT INTO sessions SELECT :id, account_id, user_agent, created_at, refreshed_at, now(), NULL FROM sessions",
        id=new_id(),
    )

    assert len((await client.get("/v1/sessions")).json()["items"]) == 1


@pytest.mark.parametrize("by", ["current", "id"])
async def test_logging_out_ends_the_session_at_once(by: str, client: Client, stranger: Client) -> None:
    assert (await client.get("/v1/me")).status_code == 200

    path = "current" if by == "current" else client.session_id
    assert (await client.delete(f"/v1/sessions/{path}")).status_code == 204

    assert_problem(await client.get("/v1/me"), 401, "bad-token")
    assert (await stranger.get("/v1/me")).status_code == 200


async def test_anothers_session_and_one_that_has_ended_are_not_found(
    session: dict[str, Any], client: Client, anonymous: httpx.AsyncClient
) -> None:
    path = f"/v1/sessions/{session['session_id']}"
    assert_problem(await client.delete(path), 404, "session-not-found")
    assert_problem(await client.delete(f"/v1/sessions/{new_id()}"), 404, "session-not-found")
    assert (await anonymous.get("/v1/me", headers=bearer(session))).status_code == 200

    assert (await anonymous.delete(path, headers=bearer(session))).status_code == 204
    assert (await client.delete(path)).status_code == 404


async def test_what_another_process_revoked_is_let_in_for_seconds_at_most(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings) as elsewhere, http_client(elsewhere) as http:
        assert (await http.get("/v1/me", headers=client.headers)).status_code == 200
        await client.delete("/v1/sessions/current")
        assert (await http.get("/v1/me", headers=client.headers)).status_code == 200  # remembered

        monkeypatch.setattr("api.liveness.REMEMBERED_SECONDS", 0.0)  # as if they had passed

        assert_problem(await http.get("/v1/me", headers=client.headers), 401, "bad-token")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/service-tokens", {"name": "a service", "scopes": ["files:read"]}),
        ("PATCH", "/v1/me", {"name": "Eve"}),
        ("DELETE", "/v1/me", None),
    ],
)
async def test_what_would_last_is_refused_while_another_process_still_remembers_the_session(
    method: str, path: str, body: Any, client: Client, settings: Settings, database: Database
) -> None:
    async with running(settings) as elsewhere, http_client(elsewhere) as http:
        assert (await http.get("/v1/me", headers=client.headers)).status_code == 200
        await client.delete("/v1/sessions/current")

        assert_problem(await http.request(method, path, json=body, headers=client.headers), 401, "session-ended")

    assert await database.rows("SELECT 1 FROM service_tokens") == []
    assert await database.rows("SELECT name, deleted_at FROM accounts") == [(None, None)]


async def test_a_session_that_has_expired_lets_nobody_in(client: Client, database: Database) -> None:
    await database.execute("UPDATE sessions SET expires_at = :then", then=now() - timedelta(seconds=1))

    assert_problem(await client.get("/v1/me"), 401, "bad-token")


async def test_a_token_of_a_session_that_never_was_lets_nobody_in(app: Litestar, client: Client) -> None:
    token = app.state.access_tokens.issue(client.account.id, new_id()).token

    response = await client.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})

    assert_problem(response, 401, "bad-token")


async def test_a_service_may_not(client: Client, database: Database) -> None:
    service = Actor(account_id=client.account.id, service_token_id=new_id())
    with pytest.raises(PersonOnly):
        own_sessions(service, after=None, limit=1)
    async with database.sessions() as session:
        with pytest.raises(PersonOnly):
            await end_session(session, service, EndSession(session_id=new_id()))
