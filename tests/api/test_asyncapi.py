"""What is said of the events is whole, valid and true, and what was published once stays as it was."""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page

from api.docs.asyncapi import document
from domain.catalogue import CATALOGUE, STREAMS
from outbox.envelope import cloud_event
from tests.database import Database
from tests.event_schemas import present, published
from tests.factories import a_file_available
from tests.serving import served

SCRIPT = Path(__file__).with_name("asyncapi.mjs")
MODULES = Path(__file__).parents[2] / "node_modules"


async def test_anybody_can_read_it(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/asyncapi.json")).json() == json.loads(json.dumps(document()))


def test_every_stream_and_every_type_is_in_it() -> None:
    channels = {each["address"]: set(each["messages"]) for each in document()["channels"].values()}

    assert set(channels) == set(STREAMS)
    for stream, types in channels.items():
        assert types == {name for name, each in CATALOGUE.items() if each.stream == stream}


def test_types_stand_in_the_order_in_which_they_can_happen() -> None:
    accounts, files = (list(document()["channels"][name]["messages"]) for name in ("accounts", "files"))

    assert accounts[0] == "account.registered"
    assert files[:2] == ["file.uploaded", "file.available"]


async def test_the_page_shows_code_as_code(anonymous: httpx.AsyncClient) -> None:
    page = (await anonymous.get("/asyncapi")).text

    assert "`" not in page
    assert "<code>&lt;position&gt;-0</code>" in page


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_field_has_a_sentence(name: str) -> None:
    """A text of its own, below the field in its event's class."""
    fields = document()["components"]["schemas"][name]["properties"]

    assert [field for field, schema in fields.items() if not schema.get("description")] == []
    assert document()["components"]["messages"][name]["summary"]


def test_an_event_loses_no_field_and_keeps_each_fields_type() -> None:
    now = present()

    for type_, fields in published().items():
        assert fields.items() <= now.get(type_, {}).items(), f"{type_} is not what its subscribers know"


def test_whatever_is_new_is_written_down() -> None:
    assert present() == published(), "python -m tests.event_schemas"


async def test_an_entry_has_the_attributes_that_are_told(database: Database) -> None:
    (message,) = await database.record(a_file_available())
    entry = cloud_event({**message.columns(), "position": 1})
    told = document()["components"]["messages"]["file.available"]
    headers: dict[str, Any] = told["headers"]["properties"]

    assert set(entry) - {"data"} == set(told["headers"]["required"])
    assert {name: each["const"] for name, each in headers.items() if "const" in each}.items() <= entry.items()
    assert set(json.loads(entry["data"])) == set(document()["components"]["schemas"]["file.available"]["properties"])


async def test_the_official_parser_finds_nothing_wrong() -> None:
    """`npm install --no-save @asyncapi/parser` makes this test run."""
    modules = Path(os.environ.get("NODE_PATH", MODULES))
    if not (shutil.which("node") and (modules / "@asyncapi" / "parser").exists()):
        pytest.skip("needs node, and @asyncapi/parser from npm: `make asyncapi` installs it")
    environment = {**os.environ, "NODE_PATH": str(modules)}
    node = await asyncio.create_subprocess_exec("node", SCRIPT, stdin=PIPE, stdout=PIPE, env=environment)
    said, _ = await node.communicate(json.dumps(document()).encode())

    assert node.returncode == 0, said.decode()


@pytest.mark.parametrize(("path", "shown"), [("/asyncapi", "file.available"), ("/docs", "/v1/files")])
async def test_a_page_shows_it_and_loads_nothing_from_elsewhere(path: str, shown: str, app: Any, page: Page) -> None:
    failed: list[str] = []
    page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: failed.append(request.url))
    async with served(app) as address:
        await page.goto(f"{address}{path}")
        await page.get_by_text(shown, exact=False).first.wait_for()

        assert failed == []
