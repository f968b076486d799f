"""Unknown paths, methods and ids, odd headers and query parameters."""

import base64
import json
from itertools import product
from typing import Any
from urllib.parse import quote

import httpx
from litestar import Litestar

from infra.storage import Storage
from tests.api.conftest import Client
from tests.api.matrix import ID_ROUTES, NOT_FOUND, ROUTES, assert_problem, id_in, place, routes_of
from tests.database import Database
from tests.factories import an_available_file

ID = "00000000-0000-7000-8000-000000000000"


def cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


BAD_CURSORS = [
    *("", "%", "a", "a" * 501, "\0", "é", "====", cursor("x"), cursor(None), cursor({}), cursor([[[]]]), cursor(1.5)),
    *(cursor(-1), cursor(2**63), cursor(10**30), cursor(-(10**30)), cursor([1, ID])),
    *(cursor(["2020-01-01T00:00:00", ID]), cursor(["0001-01-01T00:00:00+23:59", ID]), cursor(["", ""])),
    *(cursor(["9999-12-31T23:59:59-23:59", ID]), cursor(["2020-01-01T00:00:00Z", "x"])),
]
BAD_QUERIES = ["limit=0", "limit=201", "limit=x", "limit=", "limit=1.5", f"limit={10**30}", "limit=%00"]
BAD_FILTERS = ["status=x", "status=", "type=%00", "type=%ff", f"type={'a' * 256}"]
ODD_FILTERS = [
    "q=%00",
    "q=%ff%fe",
    "q=",
    "q=%26%7C%21%3A%2A",
    "q=%C2%B2%20%C2%BD",
    "zzz=1",
    "%00=%00",
    "type=image%25_",
    f"q={'a' * 10_000}",
]


async def test_bad_queries_are_told_by_parameter(client: Client) -> None:
    for query in BAD_QUERIES + BAD_FILTERS:
        problem = assert_problem(await client.get(f"/v1/files?{query}"), 422, "invalid")
        assert [each["field"] for each in problem["errors"]] == [query.partition("=")[0]]


async def test_odd_searches_find_nothing_and_break_nothing(client: Client) -> None:
    for query in ODD_FILTERS:
        assert (await client.get(f"/v1/files?{query}")).json() == {"items": [], "next_cursor": None}, query


async def test_a_cursor_that_we_did_not_write_is_refused(client: Client, database: Database) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))
    for path, bad in product(("", f"/{file.id}/events"), BAD_CURSORS):
        response = await client.get(f"/v1/files{path}?cursor={quote(bad)}")
        assert assert_problem(response, 422, "invalid")["errors"][0]["field"] == "cursor"


async def test_an_id_that_is_none_or_unknown_or_anothers_is_not_found(
    client: Client, stranger: Client, database: Database
) -> None:
    theirs = await database.save(an_available_file(owner_id=stranger.account.id))
    for name, file_id in product(ID_ROUTES, ("x", "%00", "..%2f", "1", ID[:-1], ID, str(theirs.id))):
        body: dict[str, Any] = {"json": ROUTES[name].body} if ROUTES[name].body else {}
        response = await client.request(*place(name, file_id), **body)
        assert response.status_code == 404, (name, file_id)
        if not name.startswith("HEAD"):
            assert_problem(response, 404, NOT_FOUND[id_in(name) or ""] if len(file_id) == len(ID) else "not-found")


async def test_an_unknown_path_is_not_found(anonymous: httpx.AsyncClient) -> None:
    for path in ("/nope", "/v1", "/v1/files/x/y/z", "/schema/x", "/%00", "/v1/%E2%80%AE", "/v1/files/..%2f"):
        response = await anonymous.get(httpx.URL("http://waybill.test").copy_with(raw_path=path.encode()))
        assert_problem(response, 404, "not-found")


async def test_another_method_is_not_allowed_and_the_right_ones_are_named(app: Litestar, client: Client) -> None:
    known: dict[str, set[str]] = {}
    for name in routes_of(app):
        method, path = place(name, ID)
        known.setdefault(path, set()).add(method)
    for path, methods in known.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
            response = await client.request(method, path)
            assert_problem(response, 405, "method-not-allowed")
            assert methods | {"OPTIONS"} == set(response.headers["Allow"].split(", "))


async def test_head_is_for_content_alone_and_its_redirect_can_be_followed(
    client: Client, database: Database, storage: Storage
) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))
    await storage.put(file.key, b"abc", content_type=file.content_type)

    response = await client.request("HEAD", f"/v1/files/{file.id}/content")

    assert response.status_code == 307
    async with httpx.AsyncClient() as s3:
        assert (await s3.head(response.headers["Location"])).headers["Content-Length"] == "3"
    assert (await client.request("HEAD", f"/v1/files/{file.id}")).status_code == 405


async def test_an_idempotency_key_must_be_sane(client: Client) -> None:
    changing = [name for name in ROUTES if not name.startswith(("GET", "HEAD"))]
    for name, key in product(changing, (b"", b" ", b"a b", b"\xe9", b"a" * 256, b"a\tb")):
        response = await client.request(*place(name), headers={"Idempotency-Key": key})
        assert_problem(response, 422, "idempotency-key-invalid")


async def test_two_idempotency_keys_are_none(client: Client) -> None:
    headers: list[Any] = [*client.headers.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    response = await client.http.post("/v1/uploads", json={"name": "a", "size": 1}, headers=headers)
    assert_problem(response, 422, "idempotency-key-invalid")


async def test_a_request_id_is_kept_if_it_is_sane(anonymous: httpx.AsyncClient) -> None:
    for given in (b"", b"a b", b"a\x00", b"x" * 129, b"\xe9"):
        response = await anonymous.get("/nope", headers=[(b"X-Request-Id", given)])
        assert assert_problem(response, 404)["request_id"] != given.decode("latin-1")

    response = await anonymous.get("/nope", headers={"X-Request-Id": "trace-1"})

    assert assert_problem(response, 404)["request_id"] == "trace-1"
