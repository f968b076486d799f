"""How often a request asks Postgres: each time is a round trip, and a good part of what a small request takes."""

import asyncio
from typing import Any

import pytest
from litestar import Litestar
from sqlalchemy import event

from tests.api.conftest import Client
from tests.database import Database
from tests.factories import an_available_file

UPLOAD = {"name": "report.pdf", "size": 3, "content_type": "application/pdf"}


class Asked(list[str]):
    """Statements as they were sent, BEGIN and COMMIT included."""

    async def afresh(self) -> None:
        await asyncio.sleep(0)  # the driver tells of its own in the next round of the loop
        self.clear()

    async def verbs(self) -> list[str]:
        await asyncio.sleep(0)
        return [statement.split()[0].rstrip(";") for statement in self]


@pytest.fixture
async def asked(app: Litestar, client: Client) -> Asked:
    """After a first request: by then it is known that the session is alive."""
    found, engine = Asked(), app.state.driver.engine.sync_engine

    def note(record: Any) -> None:
        found.append(record.query)

    def listen(_: Any, record: Any, *__: Any) -> None:
        record.driver_connection.add_query_logger(note)

    event.listen(engine, "before_cursor_execute", lambda *given: found.append(given[2]))
    event.listen(engine, "checkout", listen)
    await client.get("/v1/files")
    await found.afresh()
    return found


async def test_reading_a_file_is_one_statement(client: Client, database: Database, asked: Asked) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    assert (await client.get(f"/v1/files/{file.id}")).status_code == 200

    assert await asked.verbs() == ["SELECT"]


async def test_a_promise_is_one_statement(client: Client, asked: Asked) -> None:
    assert (await client.post("/v1/uploads", json=UPLOAD)).status_code == 201

    assert await asked.verbs() == ["WITH"]


async def test_a_promise_that_may_come_again_is_one_transaction(client: Client, asked: Asked) -> None:
    answer = await client.post("/v1/uploads", json=UPLOAD, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 201
    assert sorted(await asked.verbs()) == ["BEGIN", "COMMIT", "INSERT", "INSERT", "SELECT", "SELECT", "SELECT"]


async def test_a_change_asks_once_for_each_row(client: Client, database: Database, asked: Asked) -> None:
    """The file is locked and changed; its event and the row of the request are stored."""
    file = await database.save(an_available_file(owner_id=client.account.id))

    assert (await client.patch(f"/v1/files/{file.id}", json={"name": "b"})).status_code == 200

    assert sorted(await asked.verbs()) == ["BEGIN", "COMMIT", "INSERT", "INSERT", "SELECT", "UPDATE"]


async def test_a_page_of_files_is_two_statements_beside_its_transaction(
    client: Client, database: Database, asked: Asked
) -> None:
    await database.save(an_available_file(owner_id=client.account.id))
    await client.get("/v1/files")  # the driver asks what an array of ids is, once on each connection
    await asked.afresh()

    assert len((await client.get("/v1/files")).json()["items"]) == 1

    assert sorted(await asked.verbs()) == ["BEGIN", "ROLLBACK", "SELECT", "SELECT", "SET"]
