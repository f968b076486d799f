"""No JSON body that anybody can think of is more than a problem of the client's own."""

import json
from typing import Any

from litestar import Litestar

from tests.api.conftest import Client
from tests.api.description import description
from tests.api.matrix import JSON_ROUTES, ROUTES, assert_problem, place, routes_of

JSON = {"Content-Type": "application/json"}
BODY_MAY_BE_LEFT_OUT = {"POST /v1/files/{file_id}/shares"}
UNPARSABLE = {
    "empty": b"",
    "a word": b"hello",
    "half": b'{"na',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "NaN": b"NaN",
    "a mark before": b"\xef\xbb\xbf{}",
}
ODD = {
    "null": b"null",
    "a list": b"[]",
    "a number": b"9" * 5000,
    "two": b"{}{}",
    "deep": b'{"metadata": ' + b'{"a":' * 100_000,
    "a deep list": b"[" * 100_000,
    "many keys": json.dumps({str(number): number for number in range(10_000)}).encode(),
}
WRONG: dict[str, Any] = {
    "object": {"a": 1},
    "array": [["x"]],
    "number": 1.5,
    "boolean": True,
    "null": None,
    "string": "\0",
}
NOBODY_MEANS: list[dict[str, Any]] = [
    {"name": "a/b"},
    {"name": "..\\b"},
    {"size": -1},
    {"size": 2**63},
    {"size": 10**400},
    {"sha256": "0" * 63},
    {"sha256": "0" * 64 + "\n"},
    {"content_type": "a/b; \0"},
    {"content_type": "é/b"},
    {"content_type": "a/b\n;x"},
    {"tags": ["a\0"]},
    {"tags": ["a"] * 51},
    {"metadata": {"a\0": 1}},
    {"metadata": {"a": ["\0"]}},
    {"metadata": {"a": "x" * 16 * 1024}},
    {"metadata": {"a": 10**400}},
    {"metadata": {"a": 1e300}},
    {"metadata": {"a": json.loads("[" * 30 + "]" * 30)}},
    {"expires_at": "0001-01-01T00:00:00+14:00"},
    {"expires_at": "9999-12-31T23:59:59-12:00"},
    {"expires_at": "2100-01-01T00:00:00"},
    {"expires_at": "2026-02-30T00:00:00Z"},
]
CONTROL = ("\0", "a\0b", "a\n", "\x1f", "a\x7f", "\x85", "\r\nX: y")


def fields(name: str) -> dict[str, Any]:
    """The fields of a route's body, as its own description has them."""
    method, _, path = name.partition(" ")
    schema = description()
    body = schema["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    found: dict[str, Any] = schema["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"]
    return found


def types(schema: dict[str, Any]) -> set[str]:
    inner = schema.get("oneOf", [schema])
    return {"number" if each["type"] == "integer" else each["type"] for each in inner}


def good(name: str) -> dict[str, Any]:
    return dict(ROUTES[name].body or {})


def test_every_route_is_in_the_matrix(app: Litestar) -> None:
    assert set(routes_of(app)) == set(ROUTES)


async def test_what_is_not_json_cannot_be_parsed(client: Client) -> None:
    for name in JSON_ROUTES:
        first = next((field for field, value in good(name).items() if isinstance(value, str)), "?").encode()
        odd_text = {"a lone surrogate": b'{"' + first + b'": "\\ud800"}', "not UTF-8": b'{"' + first + b'": "\xff"}'}
        odd_text = {} if first == b"?" else odd_text  # of what is no text, that is told first
        unparsable = {label: body for label, body in UNPARSABLE.items() if body or name not in BODY_MAY_BE_LEFT_OUT}
        for label, body in (unparsable | odd_text).items():
            response = await client.request(*place(name), content=body, headers=JSON)
            assert response.status_code == 400, (label, response.text)
            assert_problem(response, 400, "unparsable")


async def test_json_of_another_shape_is_refused(client: Client) -> None:
    for name in JSON_ROUTES:
        for label, body in ODD.items():
            response = await client.request(*place(name), content=body, headers=JSON)
            assert response.status_code in {400, 422}, (label, response.text)
            assert_problem(response, response.status_code)


async def test_a_wrong_type_is_told_by_field(client: Client) -> None:
    for name in JSON_ROUTES:
        for field, schema in fields(name).items():
            for type_, value in WRONG.items():
                if type_ not in types(schema) or type_ == "array":
                    response = await client.request(*place(name), json=good(name) | {field: value})
                    problem = assert_problem(response, 422, "invalid")
                    assert problem["errors"][0]["field"].startswith(field), problem


async def test_control_characters_and_long_strings_are_refused(client: Client) -> None:
    for name in JSON_ROUTES:
        for field, schema in fields(name).items():
            if "string" in types(schema):
                long = "x" * 100_000
                odd = [value for value in CONTROL if field != "message" or "\n" not in value]
                for value in (long, *(odd if field != "password" else ())):
                    response = await client.request(*place(name), json=good(name) | {field: value})
                    assert assert_problem(response, 422, "invalid")["errors"][0]["field"] == field


async def test_missing_and_unknown_fields_are_named(client: Client) -> None:
    for name in JSON_ROUTES:
        required = [field for field in good(name) if "null" not in types(fields(name)[field])]
        required = [] if name.startswith("PATCH") else required  # whatever is left out stays as it is
        for field in required:
            body = {key: value for key, value in good(name).items() if key != field}
            problem = assert_problem(await client.request(*place(name), json=body), 422, "invalid")
            assert problem["errors"] == [{"field": field, "message": "is required"}]

        problem = assert_problem(await client.request(*place(name), json=good(name) | {"zzz": 1}), 422, "invalid")
        assert problem["errors"] == [{"field": "zzz", "message": "is not a field of this"}]


async def test_a_body_over_one_mib_is_too_large(client: Client) -> None:
    body = b'{"name": "' + b"x" * 1024 * 1024 + b'"}'

    async def without_a_length() -> Any:
        yield body

    for name in JSON_ROUTES:
        for key in ({}, {"Idempotency-Key": "k"}):
            for content in (body, without_a_length()):
                response = await client.request(*place(name), content=content, headers=JSON | key)
                assert_problem(response, 413, "too-large")


async def test_another_media_type_is_not_taken(client: Client) -> None:
    for name in JSON_ROUTES:
        for media_type in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            response = await client.request(*place(name), content=b"{}", headers={"Content-Type": media_type})
            assert_problem(response, 415, "unsupported-media-type")


async def test_a_value_that_nobody_can_mean_is_refused(client: Client) -> None:
    for body in NOBODY_MEANS:
        response = await client.post("/v1/uploads", json={"name": "a.txt", "size": 3} | body)
        (field,) = body
        assert assert_problem(response, 422, "invalid")["errors"][0]["field"].startswith(field)
