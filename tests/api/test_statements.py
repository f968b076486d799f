"""How often a request asks Postgres: each time is a round trip, and a good part of what a small request takes."""

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from tests.api.conftest import Client
from tests.database import Database
from tests.factories import an_available_file
from tests.statements import Sent, statements

UPLOAD = {"name": "report.pdf", "size": 3, "content_type": "application/pdf"}


@pytest.fixture
async def sent(app: Litestar, client: Client) -> AsyncIterator[Sent]:
    """After a first request: by then it is known that the session is alive."""
    with statements(app.state.driver.engine) as sent:
        await client.get("/v1/files")
        await sent.afresh()
        yield sent


async def test_reading_a_file_is_one_statement(client: Client, database: Database, sent: Sent) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    assert (await client.get(f"/v1/files/{file.id}")).status_code == 200

    assert await sent.verbs() == ["SELECT"]


async def test_a_promise_is_one_statement(client: Client, sent: Sent) -> None:
    assert (await client.post("/v1/uploads", json=UPLOAD)).status_code == 201

    assert await sent.verbs() == ["WITH"]


async def test_a_promise_that_may_come_again_is_one_transaction(client: Client, sent: Sent) -> None:
    answer = await client.post("/v1/uploads", json=UPLOAD, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 201
    assert await sent.verbs() == ["BEGIN", "COMMIT", "INSERT", "INSERT", "SELECT", "SELECT", "SELECT"]


async def test_a_change_asks_once_for_each_row(client: Client, database: Database, sent: Sent) -> None:
    """The file is locked and changed; its event and the row of the request are stored."""
    file = await database.save(an_available_file(owner_id=client.account.id))

    assert (await client.patch(f"/v1/files/{file.id}", json={"name": "b"})).status_code == 200

    assert await sent.verbs() == ["BEGIN", "COMMIT", "INSERT", "INSERT", "SELECT", "UPDATE"]


async def test_a_page_of_files_is_one_statement_beside_its_transaction(
    client: Client, database: Database, sent: Sent
) -> None:
    await database.save(an_available_file(owner_id=client.account.id))

    assert len((await client.get("/v1/files")).json()["items"]) == 1

    assert await sent.verbs() == ["BEGIN", "COMMIT", "SELECT"]


async def test_what_is_rare_takes_one_statement_more(client: Client, database: Database, sent: Sent) -> None:
    """The files of a page have been walked and were not enough, so an index is asked."""
    await database.save(an_available_file(owner_id=client.account.id, size=3))

    assert len((await client.get("/v1/files", params={"max_size": 3})).json()["items"]) == 1

    assert await sent.verbs() == ["BEGIN", "COMMIT", "SELECT", "WITH"]


async def test_a_search_that_is_refused_asks_nothing(client: Client, sent: Sent) -> None:
    assert (await client.get("/v1/files", params={"cursor": "x"})).status_code == 422

    assert await sent.verbs() == []
