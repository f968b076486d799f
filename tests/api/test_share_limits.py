"""Nobody guesses at a share's password for long, or has us send mail to everybody."""

from typing import Any

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from domain.files.model import File
from infra.settings import Settings
from tests.api.conftest import Client
from tests.database import Database
from tests.factories import an_available_file

PASSWORD = "correct horse share"
GUESS = {"X-Share-Password": "x"}


@pytest.fixture
def settings(settings: Settings, redis: Redis) -> Settings:
    """Limits as everybody has them, nothing counted yet."""
    return msgspec.structs.replace(settings, rate_limit_scale=1.0)


@pytest.fixture
async def file(client: Client, database: Database) -> File:
    return await database.save(an_available_file(owner_id=client.account.id))


async def link(client: Client, file: File, **terms: Any) -> str:
    """Its path."""
    made = (await client.post(f"/v1/files/{file.id}/shares", json=terms)).json()
    return f"/s/{made['token']}"


async def test_a_password_is_guessed_at_30_times_a_minute(
    client: Client, anonymous: httpx.AsyncClient, file: File
) -> None:
    path, other = [await link(client, file, password=PASSWORD) for _ in range(2)]
    for _ in range(15):
        assert (await anonymous.get(f"{path}/content", headers=GUESS)).status_code == 401
        assert (await anonymous.post(path, data={"password": "x"})).status_code == 401

    by_header = await anonymous.get(f"{path}/content", headers=GUESS)
    by_form = await anonymous.post(path, data={"password": PASSWORD}, headers={"Accept": "text/html"})

    assert (by_header.status_code, by_header.json()["type"]) == (429, "/problems/too-many-requests")
    assert (by_form.status_code, "<h1>Too many tries</h1>" in by_form.text) == (429, True)
    assert int(by_form.headers["Retry-After"]) > 30
    assert (await anonymous.get(f"{path}/content")).status_code == 401
    assert (await anonymous.get(f"{other}/content", headers=GUESS)).status_code == 401


async def test_who_sends_no_password_is_not_counted(client: Client, anonymous: httpx.AsyncClient, file: File) -> None:
    path = await link(client, file)

    assert {(await anonymous.get(f"{path}/content")).status_code for _ in range(70)} == {307}


async def test_mail_is_asked_for_60_times_an_hour(client: Client, file: File) -> None:
    path = f"/v1/files/{file.id}/shares"
    for _ in range(60):
        assert (await client.post(path, json={"recipients": ["not an address"]})).status_code == 422

    assert (await client.post(path, json={"recipients": ["eve@example.com"]})).status_code == 429
    assert (await client.post(path, json={})).status_code == 201
