"""Whatever happens, what is secret stays out of logs, events, dead letters and Redis."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journey.conftest import House
from tests.secrecy import found_in_database, found_in_logs, found_in_redis

PERSON = {"email": "ada@example.com", "password": "correct horse 6f1c2b marker", "name": "Ada"}
SHARE_PASSWORD = "correct horse of a share"
BIG = 65 * 1024 * 1024
"""Bytes; more than one part."""
FAILING = """
ALTER TABLE files
ADD CONSTRAINT fails CHECK (status <> 'available' OR name <> 'fails later'),
ADD CONSTRAINT fails_at_once CHECK (name <> 'fails at once')
"""


@pytest.mark.parametrize("log_format", ["json", pytest.param("console", marks=pytest.mark.slow)])
async def test_no_secret_is_ever_written(log_format: str, house: House, environment: Mapping[str, str]) -> None:
    house.programs = replace(house.programs, env={**house.programs.env, "WAYBILL_LOG_FORMAT": log_format})
    await house.database.execute(FAILING)
    await house.supervisor.run(house.programs.named("migrate"))
    await house.start("api", "relay", "worker", "scheduler")

    secrets = [*await a_person_comes_and_goes(house), *keys(environment)]
    await house.until(house.nothing_is_open)

    assert await house.database.rows("SELECT 1 FROM deliveries WHERE state = 'dead' AND last_error <> ''")
    logs = house.programs.data_dir.path / "log"
    assert "request.failed" in (logs / "api.log").read_text()
    assert "Traceback" in (logs / "api.log").read_text() or log_format == "json"
    assert log_format == "console" or all_is_json(logs)
    assert found_in_logs(logs, secrets) == []
    assert await found_in_database(house.database.url, secrets) == []
    assert await found_in_redis(house.redis, secrets) == []


def all_is_json(logs: Path) -> bool:
    """Every line of every process of ours, with a time and what happened."""
    lines = [line for file in logs.glob("*.log") for line in file.read_text().splitlines()]
    parsed = [json.loads(line) for line in lines]
    told = {"request", "delivery.done", "delivery.dead", "migrate.done", "scheduler.announced"}
    assert told <= {line["event"] for line in parsed}
    return all({"event", "level", "timestamp"} <= line.keys() for line in parsed)


def keys(environment: Mapping[str, str]) -> list[str]:
    names = ("WAYBILL_LOCAL_KEY", "WAYBILL_SECRET_KEY", "AWS_SECRET_ACCESS_KEY")
    return [environment[name].rpartition(".")[2] for name in names if name in environment]


async def a_person_comes_and_goes(house: House) -> list[str]:
    """Returns what was secret of it."""
    ask = house.http
    secrets = [PERSON["password"]]
    for key in ("first", "first", "second"):
        await ask.post("/v1/accounts", json=PERSON, headers={"Idempotency-Key": key, "Authorization": ""})
    credentials = {name: PERSON[name] for name in ("email", "password")}
    session = (await ask.post("/v1/sessions", json=credentials, headers={"Idempotency-Key": "login"})).json()
    secrets += [value for name, value in session.items() if name.endswith("_token")]
    await ask.post("/v1/sessions", json=credentials | {"email": PERSON["password"]})
    for wrong in (f"{session['access_token']}x", session["access_token"][:-4], secrets[-1]):
        await ask.get("/v1/files", headers={"Authorization": f"Bearer {wrong}"}, params={"cursor": wrong})
        await ask.get(f"/s/{wrong}")
    mine = {"Authorization": f"Bearer {session['access_token']}"}
    for name in ("ends well.txt", "fails later"):
        await ask.post("/v1/files", files={"file": (name, b"abc")}, headers=mine)
        secrets += await _upload_directly(ask, {"name": name, "size": 3}, mine, b"abc")
    secrets += await _upload_directly(ask, {"name": "big", "size": BIG}, mine, bytes(BIG))
    secrets += await _share(ask, mine)
    failed = await ask.post("/v1/uploads", json={"name": "fails at once", "size": 3}, headers=mine)
    assert failed.status_code == 500
    return secrets


async def _share(ask: httpx.AsyncClient, headers: dict[str, str]) -> list[str]:
    """Returns a link's token and its password."""
    (file, *_) = (await ask.get("/v1/files", headers=headers, params={"status": "processing"})).json()["items"]
    terms = {"password": SHARE_PASSWORD, "recipients": [PERSON["email"]]}
    keyed = headers | {"Idempotency-Key": "share"}
    made = [(await ask.post(f"/v1/files/{file['id']}/shares", json=terms, headers=keyed)).json() for _ in range(2)]
    path = f"/s/{made[0]['token']}"
    for password in (SHARE_PASSWORD, SHARE_PASSWORD + " wrong"):
        await ask.get(f"{path}/content", headers={"X-Share-Password": password})
        await ask.post(path, data={"password": password}, headers={"Accept": "text/html"})
    await ask.get(path)
    return [made[0]["token"], SHARE_PASSWORD]


async def _upload_directly(
    ask: httpx.AsyncClient, promise: dict[str, Any], headers: dict[str, str], content: bytes
) -> list[str]:
    """Returns the signatures of its URLs."""
    keyed = headers | {"Idempotency-Key": f"upload {promise}".replace(" ", "-")}
    upload = (await ask.post("/v1/uploads", json=promise, headers=keyed)).json()["upload"]
    async with httpx.AsyncClient(timeout=60) as s3:
        for part in upload["parts"]:
            begin = (part["number"] - 1) * upload["part_size"]
            (await s3.put(part["url"], content=content[begin : begin + part["size"]])).raise_for_status()
    await ask.post(f"/v1/uploads/{upload['id']}/complete", headers=headers)
    return [part["url"].rpartition("X-Amz-Signature=")[2] for part in upload["parts"]]
