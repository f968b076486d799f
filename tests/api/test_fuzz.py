"""Bodies that no person would write: whatever they are, they are not our fault."""

import json
from typing import Any

import hypothesis.strategies as some
import pytest
from hypothesis import HealthCheck, given, settings

from tests.api.conftest import Client
from tests.api.matrix import JSON_ROUTES, ROUTES, assert_problem, place

LEAVES = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20)
VALUES = some.recursive(
    LEAVES,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ("email", "password", "name", "size", "content_type", "sha256", "tags", "metadata", "expires_at")
SHARE_FIELDS = ("max_downloads", "recipients", "message")
FILTERS = (
    *("q", "name", "type", "tag", "min_size", "max_size", "created_after", "created_before", "expires_before"),
    *("status", "sort", "cursor", "limit"),
)
CHANGES = some.dictionaries(some.sampled_from(FIELDS + SHARE_FIELDS), VALUES, max_size=3)
bounded = settings(
    max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_no_fault(response: Any) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert_problem(response, response.status_code)


@pytest.mark.parametrize("name", JSON_ROUTES)
@bounded
@given(changes=CHANGES | VALUES)
async def test_no_json_is_a_fault_of_ours(name: str, client: Client, changes: Any) -> None:
    body = (ROUTES[name].body or {}) | changes if isinstance(changes, dict) else changes
    content = json.dumps(body).encode()
    response = await client.request(*place(name), content=content, headers={"Content-Type": "application/json"})

    assert_no_fault(response)


@bounded
@given(
    fields=some.dictionaries(
        some.sampled_from([*FIELDS, "expires_in"]), some.text(max_size=20) | VALUES.map(json.dumps)
    )
)
async def test_no_form_is_a_fault_of_ours(client: Client, fields: dict[str, str]) -> None:
    assert_no_fault(await client.post("/v1/files", data=fields, files={"file": ("a", b"x")}))


@bounded
@given(query=some.fixed_dictionaries({}, optional=dict.fromkeys(FILTERS, some.text())))
async def test_no_query_is_a_fault_of_ours(client: Client, query: dict[str, str]) -> None:
    assert_no_fault(await client.get("/v1/files", params=query))


@bounded
@given(query=some.dictionaries(some.sampled_from(("q", "name", "tag")), some.text(), min_size=1))
async def test_no_text_that_is_looked_for_is_a_fault_of_ours(client: Client, query: dict[str, str]) -> None:
    assert_no_fault(await client.get("/v1/files", params=query))
