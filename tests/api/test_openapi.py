"""The description says what the API does, errors included."""

import copy
import json
import re
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.description import description
from tests.api.matrix import ROUTES, UNDESCRIBED

METHODS = {"get", "post", "put", "patch", "delete", "head"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return description()


def operation(document: dict[str, Any], name: str) -> dict[str, Any]:
    method, _, path = name.partition(" ")
    found: dict[str, Any] = document["paths"][path][method.lower()]
    return found


DESCRIBED = {name: route for name, route in ROUTES.items() if name not in UNDESCRIBED}


async def test_anybody_can_read_it_and_it_stays_the_same(
    anonymous: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    first, second = [(await anonymous.get("/schema/openapi.json")).json() for _ in range(2)]
    assert first == second == document


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert document["openapi"].startswith("3.1")


def test_every_operation_is_in_a_group_that_says_what_it_is_for(document: dict[str, Any]) -> None:
    groups = {each["name"]: each["description"] for each in document["tags"]}
    used = [each["tags"] for item in document["paths"].values() for method, each in item.items() if method in METHODS]

    assert all(groups.values())
    assert {tuple(names) for names in used} == {(name,) for name in groups}


def test_operations_are_those_of_the_matrix_under_names_of_their_own(document: dict[str, Any]) -> None:
    found = {
        f"{method.upper()} {path}": each["operationId"]
        for path, item in document["paths"].items()
        for method, each in item.items()
        if method in METHODS
    }
    assert set(found) == set(DESCRIBED)
    assert len(set(found.values())) == len(found)


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for name in DESCRIBED:
        responses = operation(document, name)["responses"]
        errors = {status: each for status, each in responses.items() if status >= "4"}
        assert {"500", "503"} <= set(errors)
        for each in errors.values():
            assert each["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_a_route_says_who_may_call_it(document: dict[str, Any]) -> None:
    for name, route in DESCRIBED.items():
        described = operation(document, name)
        assert described["security"] == ([] if route.public else [{"bearer": []}])
        assert route.public or "401" in described["responses"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_a_share_says_that_it_may_ask_for_a_password(document: dict[str, Any]) -> None:
    described = operation(document, "GET /s/{token}/content")
    assert {"401", "404", "410", "429"} <= set(described["responses"])
    assert "X-Share-Password" in {each["name"] for each in described["parameters"]}


def test_who_may_be_stale_is_told_so(document: dict[str, Any]) -> None:
    for name in ("PATCH /v1/files/{file_id}", "DELETE /v1/files/{file_id}"):
        assert "412" in operation(document, name)["responses"]


def test_the_upload_form_is_described(document: dict[str, Any]) -> None:
    (media_type,) = operation(document, "POST /v1/files")["requestBody"]["content"]
    form = document["components"]["schemas"]["UploadForm"]

    assert media_type == "multipart/form-data"
    assert set(form["properties"]) == {"file", "sha256", "tags", "metadata", "expires_at", "expires_in"}
    assert form["required"] == ["file"]


def test_bodies_take_no_unknown_fields(document: dict[str, Any]) -> None:
    for name, route in DESCRIBED.items():
        if route.body is not None:
            body = operation(document, name)["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            assert document["components"]["schemas"][body.rpartition("/")[2]]["additionalProperties"] is False


def test_somebody_elses_validator_finds_nothing_wrong(document: dict[str, Any]) -> None:
    """One route's errors stand for all, which are made alike: to look at each takes a minute."""
    fewer: dict[str, Any] = copy.deepcopy(document)
    for name in sorted(DESCRIBED)[1:]:
        told = operation(fewer, name)["responses"]
        operation(fewer, name)["responses"] = {status: each for status, each in told.items() if status < "4"}

    assert list(OpenAPIV31SpecValidator(fewer).iter_errors()) == []


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_route_has_a_summary_and_examples_that_hold(name: str, document: dict[str, Any]) -> None:
    described = operation(document, name)
    bodies = [described.get("requestBody", {}), *described["responses"].values()]
    told = [each for body in bodies for each in body.get("content", {}).values()]
    given = [each for each in described["parameters"] if each.get("required")]

    assert described["summary"]
    for each in (*told, *given):
        OAS31Validator({**each["schema"], "components": document["components"]}).validate(each["example"])
