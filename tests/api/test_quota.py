"""What an account may store is counted so that no two uploads get the same room."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from domain.files.model import Status
from infra.storage import Storage
from tests.api.conftest import Client, insisting
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.database import Database
from tests.factories import an_available_file

SIZE = 1000
THREE = 3 * SIZE + 1


async def quota(client: Client, database: Database, size: int) -> None:
    await database.execute("UPDATE accounts SET quota_bytes = :q WHERE id = :id", q=size, id=client.account.id)


async def used(client: Client) -> tuple[int, int]:
    storage = (await client.get("/v1/me")).json()["storage"]
    return storage["used_bytes"], storage["files"]


def a_promise(client: Client) -> Any:
    return client.post("/v1/uploads", json={"name": "a", "size": SIZE})


def a_form(client: Client) -> Any:
    return client.post("/v1/files", files={"file": ("a", bytes(SIZE))})


def a_put(client: Client) -> Any:
    return client.put("/u/a", content=bytes(SIZE))


@pytest.mark.parametrize("upload", [a_promise, a_form, a_put])
async def test_of_a_hundred_at_once_three_find_room_for_three(
    upload: Any, client: Client, database: Database, storage: Storage
) -> None:
    leftovers = Leftovers(database, storage)
    await quota(client, database, THREE)

    answers: list[httpx.Response] = await asyncio.gather(*[insisting(lambda: upload(client)) for _ in range(100)])

    refused = [answer for answer in answers if answer.is_error]
    assert Counter(answer.status_code for answer in refused) == {413: 97}
    assert_problem(refused[0], 413, "quota-exceeded")
    assert await used(client) == (3 * SIZE, 3)
    assert len(await leftovers.objects()) == (0 if upload is a_promise else 3)


async def test_an_empty_file_finds_room_where_there_is_none(client: Client, database: Database) -> None:
    await quota(client, database, 0)

    assert (await client.put("/u/a", content=b"")).status_code == 202
    assert_problem(await client.put("/u/a", content=b"x"), 413, "quota-exceeded")


async def test_a_body_of_unknown_length_is_stopped_where_the_room_ends(client: Client, database: Database) -> None:
    await quota(client, database, SIZE)
    taken = 0

    async def endless() -> Any:
        nonlocal taken
        while True:
            taken += SIZE
            yield bytes(SIZE)

    assert_problem(await client.put("/u/a", content=endless()), 413, "quota-exceeded")
    assert taken <= 2 * SIZE


async def test_one_account_takes_no_room_from_another(client: Client, stranger: Client, database: Database) -> None:
    for each in (client, stranger):
        await quota(each, database, SIZE)

    assert [(await a_promise(each)).status_code for each in (client, stranger)] == [201, 201]


@pytest.mark.parametrize("status", [Status.REJECTED, Status.EXPIRED, Status.DELETED])
async def test_bytes_that_are_gone_make_room(status: Status, client: Client, database: Database) -> None:
    await quota(client, database, SIZE)
    await database.save(an_available_file(owner_id=client.account.id, size=SIZE))
    assert_problem(await a_promise(client), 413, "quota-exceeded")
    assert await used(client) == (SIZE, 1)

    await database.execute("UPDATE files SET status = :status", status=status)

    assert await used(client) == (0, 0)
    assert (await a_promise(client)).status_code == 201


async def test_what_is_counted_is_what_is_there(client: Client, stranger: Client, database: Database) -> None:
    """However many rows of however many accounts a statement changes."""
    for each, size in ((client, 1), (client, 20), (stranger, 300)):
        await database.save(an_available_file(owner_id=each.account.id, size=size))
    assert [await used(each) for each in (client, stranger)] == [(21, 2), (300, 1)]

    await database.execute("UPDATE files SET size = size * 2, updated_at = now()")
    assert [await used(each) for each in (client, stranger)] == [(42, 2), (600, 1)]

    await database.execute("UPDATE files SET status = 'deleted' WHERE size <> 2")
    assert [await used(each) for each in (client, stranger)] == [(2, 1), (0, 0)]

    await database.execute("DELETE FROM files")
    assert [await used(each) for each in (client, stranger)] == [(0, 0), (0, 0)]


async def test_an_aborted_upload_makes_room(client: Client, database: Database) -> None:
    await quota(client, database, SIZE)
    upload = (await a_promise(client)).json()["upload"]
    assert_problem(await a_promise(client), 413, "quota-exceeded")

    await client.delete(f"/v1/uploads/{upload['id']}")

    assert (await a_promise(client)).status_code == 201
