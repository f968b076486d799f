"""Keys are replaced while the API runs: what the old ones have made is good until it is over."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from litestar import Litestar

from domain.actor import Scope
from infra import keyfile, keyring, paserk
from infra.settings import Settings, load_settings
from tests.api.conftest import Client, client_of, http_client, running, service_of
from tests.api.matrix import assert_problem
from tests.api.paseto import unverified_footer
from tests.database import Database
from waybill import cli

Run = Callable[..., Awaitable[Result]]
UPLOAD = {"name": "a.txt", "size": 3}
SERVICE = {"name": "a service", "scopes": ["files:read"]}
KEY = {"Idempotency-Key": "k"}
FILES = ("WAYBILL_LOCAL_KEY_FILE", "WAYBILL_SECRET_KEY_FILE")


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """With keys of this test's own."""
    return environment | {name: str(shutil.copy(environment[name], tmp_path)) for name in FILES}


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return load_settings(environment)


@pytest.fixture
async def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Litestar]:
    """Looks at its key files at every use."""
    monkeypatch.setattr(keyring, "LOOK_EVERY", 0.0)
    async with running(settings) as app:
        yield app


@pytest.fixture
def waybill(environment: dict[str, str]) -> Run:
    """Run a command as a shell would, with this test's environment; what it prints has no secrets."""

    async def run(*arguments: str, **env: str) -> Result:
        nothing = {name: None for name in os.environ if name.startswith("WAYBILL_")}
        given = {**nothing, **environment, **env}
        result = await asyncio.to_thread(CliRunner().invoke, cli, arguments, env=given)
        assert not [form for form in (paserk.LOCAL, paserk.SECRET) if form in result.output], result.output
        return result

    return run


async def listed(waybill: Run) -> Any:
    return json.loads((await waybill("keys", "list", "--json")).stdout)


async def test_old_tokens_verify_and_new_ones_are_made_with_the_new_keys(
    database: Database, waybill: Run, app: Litestar, client: Client, anonymous: httpx.AsyncClient
) -> None:
    service = await service_of(client, Scope.FILES_READ)

    result = await waybill("keys", "rotate")

    assert result.exit_code == 0, result.output
    later = await client_of(client.account, app, anonymous, database)
    later_service = await service_of(client, Scope.FILES_READ)
    for each in (client, service, later, later_service):
        assert (await each.get("/v1/files")).status_code == 200
    kids = [unverified_footer(each.headers["Authorization"])["kid"] for each in (later_service, service)]
    assert kids[0] != kids[1]
    assert [each["kid"] for each in (await anonymous.get("/v1/keys")).json()["keys"]] == kids


async def test_another_process_verifies_what_a_key_that_is_gone_has_signed(
    waybill: Run, client: Client, settings: Settings, environment: dict[str, str]
) -> None:
    service = await service_of(client, Scope.FILES_READ)
    await waybill("keys", "rotate")
    await waybill("keys", "rotate")

    async with running(load_settings(environment)) as fresh, http_client(fresh) as http:
        assert (await http.get("/v1/files", headers=service.headers)).status_code == 200
    assert len(keyring.secret_keys(load_settings(environment)).keys) == 1


async def test_what_was_answered_before_is_answered_again(waybill: Run, client: Client, database: Database) -> None:
    first = await client.post("/v1/uploads", json=UPLOAD, headers=KEY)
    form = {"Idempotency-Key": "f", "Content-Type": "multipart/form-data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--b--\r\n'
    streamed = await client.post("/v1/files", content=body, headers=form)

    await waybill("keys", "rotate", "local")

    again = await client.post("/v1/uploads", json=UPLOAD, headers=KEY)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    again = await client.post("/v1/files", content=body, headers=form)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (streamed.json(), "true")
    other = await client.post("/v1/uploads", json=UPLOAD | {"size": 4}, headers=KEY)
    assert_problem(other, 422, "idempotency-key-reused")


async def test_what_no_key_opens_any_more_is_not_done_twice(
    app: Litestar, client: Client, anonymous: httpx.AsyncClient, database: Database, environment: dict[str, str]
) -> None:
    await client.post("/v1/uploads", json=UPLOAD, headers=KEY)
    keyfile.rotate(Path(environment["WAYBILL_LOCAL_KEY_FILE"]), paserk.new_local(), keep_for=None)
    assert_problem(await client.get("/v1/files"), 401, "bad-token")
    later = await client_of(client.account, app, anonymous, database)

    again = await later.post("/v1/uploads", json=UPLOAD, headers=KEY)

    assert_problem(again, 409, "idempotency-key-forgotten")
    assert len(await database.rows("SELECT 1 FROM files")) == 1


async def test_what_leaked_keys_have_made_ends(waybill: Run, client: Client, anonymous: httpx.AsyncClient) -> None:
    service = await service_of(client, Scope.FILES_READ)

    await waybill("keys", "rotate", "--leaked")

    for each in (client, service):
        assert_problem(await each.get("/v1/files"), 401, "bad-token")
    (current,) = (await anonymous.get("/v1/keys")).json()["keys"]
    assert current["kid"] in {each["kid"] for each in await listed(waybill)}


async def test_a_leaked_key_neither_signs_nor_is_published_where_it_is_still_held(
    waybill: Run, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "LOOK_EVERY", 1000.0)
    async with running(settings) as slow, http_client(slow) as http:
        (leaked,) = (await http.get("/v1/keys")).json()["keys"]

        await waybill("keys", "rotate", "public", "--leaked")

        assert leaked not in (await http.get("/v1/keys")).json()["keys"]
        made = await http.post("/v1/service-tokens", json=SERVICE, headers=client.headers)
        assert_problem(made, 503, "signing-key-retired")
        assert "Retry-After" in made.headers


async def test_nothing_opens_a_token_of_a_key_that_is_retired(client: Client, database: Database) -> None:
    service = await service_of(client, Scope.FILES_READ)

    await database.execute("UPDATE signing_keys SET retired_at = now()")

    assert_problem(await service.get("/v1/files"), 401, "bad-token")


async def test_what_was_answered_under_a_leaked_key_is_kept_no_more(
    waybill: Run, app: Litestar, client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    await client.post("/v1/uploads", json=UPLOAD, headers=KEY)

    await waybill("keys", "rotate", "local", "--leaked")

    kept = "SELECT 1 FROM commands WHERE sealed_response IS NOT NULL OR request_hash IS NOT NULL"
    assert await database.rows(kept) == []
    later = await client_of(client.account, app, anonymous, database)
    again = await later.post("/v1/uploads", json=UPLOAD, headers=KEY)
    assert_problem(again, 409, "idempotency-key-forgotten")
    assert len(await database.rows("SELECT 1 FROM files")) == 1


async def test_keys_are_listed_with_what_they_are_needed_for(waybill: Run, client: Client) -> None:
    before = await listed(waybill)
    await service_of(client, Scope.FILES_READ)
    await waybill("keys", "rotate")

    after = await listed(waybill)

    assert [(each["kind"], each["state"], each["living_tokens"]) for each in before] == [
        ("local", "current", None),
        ("public", "current", 0),
    ]
    assert [(each["kind"], each["state"], each["living_tokens"]) for each in after] == [
        ("local", "current", None),
        ("local", "verifying", None),
        ("public", "current", 0),
        ("public", "verifying", 1),
    ]
    assert [after[1]["kid"], after[3]["kid"]] == [each["kid"] for each in before]
    assert all(each["created_at"] for each in (*before, *after))
    assert after[1]["needed_until"]
    assert after[3]["needed_until"]
    assert after[3]["kid"] in (await waybill("keys", "list")).stdout


@pytest.mark.parametrize(("kind", "name"), [("local", "LOCAL"), ("public", "SECRET")])
async def test_keys_of_an_environment_are_for_its_owner_to_change(waybill: Run, kind: str, name: str) -> None:
    made = paserk.new_local() if kind == "local" else paserk.new_secret()
    variables: Any = {f"WAYBILL_{name}_KEY": made, f"WAYBILL_{name}_KEY_FILE": None}

    result = await waybill("keys", "rotate", kind, **variables)

    assert result.exit_code == 1
    assert f"WAYBILL_{name}_KEY is in the environment: put what `waybill keys generate" in result.stderr
    assert len(result.stderr.splitlines()) == 1


async def test_keys_that_cannot_be_written_are_one_line(waybill: Run, settings: Settings) -> None:
    file = Path(settings.local_key_file or "")
    file.with_name(f".{file.name}.new").mkdir()

    result = await waybill("keys", "rotate", "local")

    assert result.exit_code == 1
    assert f"{file} cannot be rotated (" in result.stderr


async def test_without_keys_there_is_one_line(waybill: Run) -> None:
    variables: Any = dict.fromkeys(FILES)

    result = await waybill("keys", "list", **variables)

    assert result.exit_code == 2
    assert result.stderr.startswith("waybill: WAYBILL_LOCAL_KEY is not set; `waybill keys generate local` makes one")


@pytest.mark.parametrize(("kind", "read"), [("local", paserk.local_key), ("secret", paserk.secret_key)])
def test_a_key_can_be_made(kind: str, read: Callable[[str], object]) -> None:
    made = [CliRunner().invoke(cli, ["keys", "generate", kind]).stdout.strip() for _ in range(2)]

    assert made[0] != made[1]
    assert all(map(read, made))
