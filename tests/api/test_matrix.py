"""Every route of the API's own description, asked by everybody: who may, who may not, and what they are told."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx
import pytest
from litestar import Litestar

from domain.actor import Scope
from domain.aggregate import new_id
from domain.sessions.model import Session
from infra.storage import Storage
from tests.api.conftest import Client, service_of
from tests.api.description import description
from tests.api.matrix import NOT_FOUND, ROUTES, UNDESCRIBED, Expected, assert_problem, id_in, place
from tests.api.test_tokens import Forger
from tests.database import Database
from tests.factories import a_pending_file, an_available_file

Thing = Callable[[Client, Database, Storage], Awaitable[object]]
NAMES = [name for name in ROUTES if name not in UNDESCRIBED]


async def a_file(client: Client, database: Database, storage: Storage) -> object:
    file = await database.save(an_available_file(owner_id=client.account.id))
    await storage.put(file.key, b"abc", content_type=file.content_type)
    return file.id


async def an_upload(client: Client, database: Database, storage: Storage) -> object:
    file = await database.save(a_pending_file(owner_id=client.account.id))
    await storage.put(file.key, b"abc", content_type=file.content_type)
    return file.id


async def a_token(client: Client, database: Database, storage: Storage) -> object:
    return (await client.post("/v1/service-tokens", json={"name": "a", "scopes": ["files:read"]})).json()["id"]


async def a_session(client: Client, database: Database, storage: Storage) -> object:
    async with database.sessions.begin() as session:
        session.add(begun := Session.begin(client.account.id, user_agent=None))
    return begun.id


async def a_share(client: Client, database: Database, storage: Storage) -> object:
    return (await _shared(client, database, storage))["id"]


async def a_link(client: Client, database: Database, storage: Storage) -> object:
    return (await _shared(client, database, storage))["token"]


async def _shared(client: Client, database: Database, storage: Storage) -> Any:
    file_id = await a_file(client, database, storage)
    return (await client.post(f"/v1/files/{file_id}/shares", json={})).json()


THINGS: dict[str | None, Thing] = {
    "{file_id}": a_file,
    "{token_id}": a_token,
    "{session_id}": a_session,
    "{share_id}": a_share,
    "{token}": a_link,
    "GET /v1/uploads/{file_id}": an_upload,
    "POST /v1/uploads/{file_id}/parts": an_upload,
    "DELETE /v1/uploads/{file_id}": an_upload,
    "POST /v1/uploads/{file_id}/complete": an_upload,
}
"""What is in a path, as whoever asks has it: by its place, or for one route."""


def documented() -> list[str]:
    return [f"{method.upper()} {path}" for path, item in description()["paths"].items() for method in item]


class Asking:
    """Asks one route, again and again; each time for a thing that is there."""

    def __init__(self, name: str, owner: Client, app: Litestar, database: Database, storage: Storage) -> None:
        self._name, self._owner, self._app = name, owner, app
        self._database, self._storage = database, storage
        self._route: Expected = ROUTES[name]

    async def by(self, client: Client) -> httpx.Response:
        method, path = place(self._name, await self._thing())
        options: dict[str, Any] = {"json": self._route.body} if self._route.body else {}
        if self._route.form:
            options = {"files": {"file": ("a.txt", b"abc")}}
        if self._route.fields:
            options = {"data": self._route.fields}
        if self._route.endless:
            return await self._ended(client.request(method, path, **options))
        return await client.request(method, path, **options)

    async def _ended(self, asking: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        """The answer, whose end is that of the server."""
        answer = asyncio.create_task(asking)
        while not answer.done():
            self._app.state.streams.end_all("enough")
            await asyncio.wait([answer], timeout=0.01)
        return await answer

    async def with_token(self, token: str) -> httpx.Response:
        return await self.by(Client(self._owner.account, self._owner.http, {"Authorization": f"Bearer {token}"}))

    async def _thing(self) -> object:
        thing = THINGS.get(self._name) or THINGS.get(id_in(self._name))
        return thing and await thing(self._owner, self._database, self._storage)


Ask = Callable[[str], Asking]
PRIVATE = [name for name in NAMES if not ROUTES[name].public]
ALONE = [{scope} for scope in Scope]
ALL_BUT = [set(Scope) - {scope} for scope in Scope]


@pytest.fixture
def ask(client: Client, app: Litestar, database: Database, storage: Storage) -> Ask:
    return lambda name: Asking(name, client, app, database, storage)


def assert_refused(name: str, response: httpx.Response, status: int, slug: str) -> None:
    assert response.status_code == status, (name, response.status_code, response.text)
    if response.request.method != "HEAD":
        assert_problem(response, status, slug)


def test_no_route_of_the_description_is_missing_here() -> None:
    assert set(documented()) == set(NAMES)


async def test_nobody_and_forgers_are_told_the_same(ask: Ask, app: Litestar) -> None:
    forger = Forger(app, new_id())
    for name in PRIVATE:
        for token in ("", forger.token(aud="x"), forger.service_token(aud="x")):
            assert_refused(name, await ask(name).with_token(token), 401, "bad-token")


@pytest.mark.parametrize("name", PRIVATE)
async def test_the_right_account_may(name: str, ask: Ask, client: Client) -> None:
    assert (await ask(name).by(client)).status_code == ROUTES[name].ok


async def test_another_account_finds_nothing(ask: Ask, stranger: Client) -> None:
    service = await service_of(stranger, *Scope)
    for name in PRIVATE:
        if place_of := id_in(name):
            assert_refused(name, await ask(name).by(stranger), 404, NOT_FOUND[place_of])
            if ROUTES[name].scope:
                assert_refused(name, await ask(name).by(service), 404, NOT_FOUND[place_of])


async def test_a_service_may_do_what_its_scopes_say_and_no_more(ask: Ask, client: Client) -> None:
    for scopes in ALONE + ALL_BUT:
        service = await service_of(client, *scopes)
        for name in PRIVATE:
            answer = await ask(name).by(service)
            if ROUTES[name].scope in scopes:
                assert answer.status_code == ROUTES[name].ok, (name, scopes, answer.text)
            else:
                assert_refused(name, answer, 403, "scope-missing" if ROUTES[name].scope else "person-only")


async def test_of_a_public_route_nobody_is_asked_who_they_are(ask: Ask) -> None:
    for name in {*NAMES, "POST /s/{token}"} - set(PRIVATE):
        anonymous, forged = [await ask(name).with_token(token) for token in ("", "v4.public.x")]

        assert "bad-token" not in anonymous.text + forged.text
        assert forged.status_code in {anonymous.status_code, 409}, name  # an address is taken the second time
        assert anonymous.status_code == ROUTES[name].ok or not id_in(name), name
