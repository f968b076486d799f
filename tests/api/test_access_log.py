"""The log tells of every request, and never a secret."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from infra.storage import Storage, StorageError
from infra.telemetry import add_context
from tests.api.conftest import Client
from tests.database import Database
from tests.factories import an_available_file

PASSWORD = "correct horse battery"


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Every line, with what is said around it."""
    with capture_logs(processors=[add_context]) as captured:
        yield captured


async def test_a_request_is_one_line(client: Client, database: Database, lines: list[Any]) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))

    response = await client.get(f"/v1/files/{file.id}")

    (line,) = lines
    assert line.pop("ms") > 0
    assert len(line.pop("trace_id")) == 32
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/v1/files/{file_id}",
        "status": 200,
        "actor": str(client.account.id),
        "request_id": response.headers["X-Request-Id"],
    }


async def test_a_change_tells_its_command_its_events_and_its_trace(
    client: Client, database: Database, lines: list[Any]
) -> None:
    file = await database.save(an_available_file(owner_id=client.account.id))
    before = len(await database.recorded())

    await client.patch(
        f"/v1/files/{file.id}", json={"name": "b"}, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    )

    ((command,),) = await database.rows("SELECT id FROM commands")
    (event,) = (await database.rows("SELECT event_id, traceparent FROM outbox ORDER BY id"))[before:]
    (line,) = lines
    assert (line["command"], line["events"], line["trace_id"]) == (str(command), [str(event.event_id)], "a" * 32)
    assert event.traceparent.startswith(f"00-{'a' * 32}-")


async def test_what_is_no_trace_context_is_not_believed(client: Client, lines: list[Any]) -> None:
    await client.get("/v1/files", headers={"traceparent": f"00-{'0' * 32}-{'b' * 16}-01"})
    await client.get("/v1/files", headers={"traceparent": "' OR 1=1"})

    assert not {"0" * 32, "' OR 1=1"} & {line["trace_id"] for line in lines}
    assert {len(line["trace_id"]) for line in lines} == {32}


async def test_unknown_paths_and_refusals_are_in_it(anonymous: httpx.AsyncClient, lines: list[Any]) -> None:
    await anonymous.get("/s/some-secret-token")
    await anonymous.get("/nowhere/some-secret-token")
    await anonymous.get("/v1/files")
    await anonymous.patch("/v1/files")

    assert [(line["route"], line["status"], line["actor"]) for line in lines] == [
        ("/s/{token}", 404, None),
        (None, 404, None),
        ("/v1/files", 401, None),
        (None, 405, None),
    ]
    assert "some-secret-token" not in str(lines)


async def test_every_line_of_a_request_carries_its_id(
    client: Client, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StorageError("no")

    monkeypatch.setattr(Storage, "put", fail)

    response = await client.post("/v1/files", files={"file": ("a", b"x")}, headers={"X-Request-Id": "trace-1"})

    assert response.status_code == 503
    assert len(lines) > 1
    assert {line["request_id"] for line in lines} == {"trace-1"}


async def test_no_secret_is_ever_in_the_log(
    anonymous: httpx.AsyncClient, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = {"email": "ada@example.com", "password": PASSWORD}
    await anonymous.post("/v1/accounts", json=person)
    session = await anonymous.post("/v1/sessions", json=person, headers={"Idempotency-Key": "k"})
    token = session.json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    upload = await anonymous.post("/v1/uploads", json={"name": "a", "size": 1}, headers=headers)
    await anonymous.post("/v1/sessions", json=person | {"password": PASSWORD * 10})
    await anonymous.post("/v1/sessions", content=f'{{"password": "{PASSWORD}"', headers=headers)
    await anonymous.get(f"/v1/files?access_token={token}&cursor={token}", headers=headers)
    await anonymous.get("/v1/files", headers={"Authorization": f"Bearer {token}x"})
    monkeypatch.setattr("api.routes.sessions.log_in", _fails)
    assert (await anonymous.post("/v1/sessions", json=person)).status_code == 500

    signature = upload.json()["upload"]["parts"][0]["url"].rpartition("=")[2]
    written = "".join(map(_rendered, lines))
    assert "request.failed" in written
    for secret in (PASSWORD, token, token[9:], signature):
        assert secret not in written


async def _fails(*_: object) -> None:
    raise RuntimeError("a fault of ours")


def _rendered(line: dict[str, Any]) -> str:
    """As the renderers that we ship write it."""
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    return str(console(None, "", dict(line)))
