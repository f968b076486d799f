"""With a part of the house down, a request is told so, soon, and whether to come again."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import msgspec
import pytest

from infra.settings import Settings
from infra.storage import Storage
from tests.api.conftest import Client, client_of, http_client, running
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.database import Database
from tests.factories import an_account

PATIENCE = 30.0
"""Seconds: nobody is kept waiting longer."""
BIG = {"name": "a", "size": 100 * 1024 * 1024}
Reaching = Callable[..., AbstractAsyncContextManager[Client]]

FAIL = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$"
AT_COMMIT = """
CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON commands DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION fail()
"""


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def reaching(settings: Settings, database: Database) -> Reaching:
    """A client of an API with some settings changed."""

    @asynccontextmanager
    async def reach(**changed: str) -> AsyncIterator[Client]:
        account = await database.save(an_account())
        async with (
            asyncio.timeout(PATIENCE),
            running(msgspec.structs.replace(settings, **changed)) as app,
            http_client(app) as http,
        ):
            yield await client_of(account, app, http, database)

    return reach


async def assert_all_unavailable(client: Client) -> None:
    body = {"email": "a@example.com", "password": "correct horse"}
    for key in ({}, {"Idempotency-Key": "k"}):
        assert_problem(await client.post("/v1/accounts", json=body, headers=key), 503, "unavailable")
        assert_problem(await client.post("/v1/files", files={"file": ("a", b"x")}, headers=key), 503, "unavailable")
    assert_problem(await client.get("/v1/files"), 503, "unavailable")


async def assert_not_ready(http: httpx.AsyncClient, part: str) -> None:
    problem = assert_problem(await http.get("/health/ready"), 503, "unavailable")
    assert {name for name, check in problem["checks"].items() if not check["ok"]} == {part}
    assert (await http.get("/health/live")).status_code == 200


async def test_without_postgres_nothing_hangs(reaching: Reaching) -> None:
    async with reaching(database_url=f"postgresql://postgres@127.0.0.1:{closed_port()}/waybill") as client:
        await assert_all_unavailable(client)
        await assert_not_ready(client.http, "postgres")


async def test_a_postgres_that_refuses_us_is_down_too(reaching: Reaching, settings: Settings) -> None:
    """It says so while connecting, as it does while it starts and stops."""
    other = settings.database_url.replace("/test_", "/no_test_")
    async with reaching(database_url=other) as client:
        await assert_all_unavailable(client)


async def test_a_postgres_that_does_not_answer_is_down_too(reaching: Reaching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.connection.CONNECT_TIMEOUT", 0.2)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with reaching(database_url=f"postgresql://postgres@127.0.0.1:{port}/waybill") as client:
            await assert_all_unavailable(client)


async def test_without_s3_what_needs_it_is_unavailable(reaching: Reaching) -> None:
    async with reaching(s3_endpoint_url=f"http://127.0.0.1:{closed_port()}") as client:
        answers = await asyncio.gather(
            client.post("/v1/files", files={"file": ("a", b"x")}), client.post("/v1/uploads", json=BIG)
        )
        for answer in answers:
            assert_problem(answer, 503, "unavailable")
        assert (await client.get("/v1/files")).status_code == 200
        await assert_not_ready(client.http, "s3")


async def test_without_redis_the_api_goes_on_but_is_not_ready(reaching: Reaching) -> None:
    async with reaching(redis_url=f"redis://127.0.0.1:{closed_port()}/0") as client:
        assert (await client.post("/v1/files", files={"file": ("a", b"x")})).status_code == 202
        await assert_not_ready(client.http, "redis")


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}], ids=["no key", "a key"])
@pytest.mark.parametrize(
    ("what", "status"),
    [("RAISE 'a fault of ours'", 500), ("PERFORM pg_terminate_backend(pg_backend_pid())", 503)],
    ids=["refused", "lost"],
)
async def test_a_commit_that_fails_is_never_told_as_done(
    what: str, status: int, key: dict[str, str], client: Client, database: Database
) -> None:
    await database.execute(FAIL.format(what=what))
    await database.execute(AT_COMMIT)

    response = await client.post("/v1/uploads", json=BIG, headers=key)

    assert_problem(response, status)
    assert await database.rows("SELECT 1 FROM files UNION ALL SELECT 1 FROM commands") == []


async def test_an_object_that_cannot_be_told_of_is_taken_back(
    client: Client, database: Database, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    leftovers = Leftovers(database, storage)
    await database.execute("ALTER TABLE files ADD CONSTRAINT no CHECK (size <> 3)")

    assert_problem(await client.post("/v1/files", files={"file": ("a", b"abc")}), 500, "internal-error")

    assert await leftovers.found() == []
