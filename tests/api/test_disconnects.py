"""A client that goes in the middle of an upload leaves nothing, and nobody is woken for it."""

import pytest
from litestar import Litestar
from structlog.testing import capture_logs

from infra.storage import Storage
from tests.api import raw
from tests.api.conftest import Client
from tests.api.leftovers import Leftovers
from tests.database import Database

HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
MIB = 1024 * 1024


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}], ids=["no key", "a key"])
async def test_an_upload_cut_off_leaves_nothing(
    key: dict[str, str], app: Litestar, client: Client, database: Database, storage: Storage
) -> None:
    leftovers = Leftovers(database, storage)
    for content in ((), (b"abc",), (bytes(MIB),) * 20):
        request = raw.scope("POST", "/v1/files", client.headers | FORM | key)
        with capture_logs() as lines:
            answer = await raw.send(app, request, raw.body(HEAD, *content, whole=False))

        assert answer[0]["status"] == 400
        assert [(line["event"], line["log_level"]) for line in lines] == [("request", "info")]
        assert await leftovers.found() == []
    assert await database.rows("SELECT 1 FROM commands") == []


async def test_a_json_body_cut_off_is_not_taken_for_the_whole(
    app: Litestar, client: Client, database: Database
) -> None:
    headers = client.headers | {"Content-Type": "application/json"}
    whole = b'{"name": "a", "size": 1}'
    for key in ({}, {"Idempotency-Key": "k"}):
        request = raw.scope("POST", "/v1/uploads", headers | key)
        answer = await raw.send(app, request, raw.body(whole, whole=False))
        assert answer[0]["status"] == 400
    assert await database.rows("SELECT 1 FROM commands") == []


async def test_after_a_cut_the_same_key_can_be_used_again(app: Litestar, client: Client, database: Database) -> None:
    headers = client.headers | FORM | {"Idempotency-Key": "k"}
    await raw.send(app, raw.scope("POST", "/v1/files", headers), raw.body(HEAD, b"a", whole=False))

    answer = await raw.send(app, raw.scope("POST", "/v1/files", headers), raw.body(HEAD, b"abc\r\n--b--\r\n"))

    assert answer[0]["status"] == 202
    assert len(await database.rows("SELECT 1 FROM files")) == 1
