"""The processes without HTTP of their own can be looked at from outside, and end in time all the same."""

from collections.abc import Mapping

import httpx
import pytest

from infra.listening import bound
from tests.journey.conftest import House
from tests.journey.test_stop import AWAY, READY, ended, process

NAMES = ["relay", "worker", "scheduler"]
READY_TO_STOP = {**READY, "worker": b"consumer.unreachable"}


@pytest.fixture
def port() -> int:
    with bound("127.0.0.1", 0) as free:
        found: int = free.getsockname()[1]
        return found


@pytest.mark.parametrize("name", NAMES)
async def test_a_process_shows_its_health_and_ends_with_0(
    name: str, port: int, environment: Mapping[str, str], house: House
) -> None:
    async with (
        process(name, environment, "--monitor-port", str(port)) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):

        async def is_ready() -> bool:
            return (await http.get("/health/ready")).status_code == 200

        await house.until(is_ready)
        metrics = await http.get("/metrics")
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "process_resident_memory_bytes" in metrics.text
        assert ("waybill_relay_backlog 0.0" in metrics.text) == (name == "relay")
        assert (await http.get("/elsewhere")).status_code == 404
        assert (await http.post("/metrics")).status_code == 405

        assert await ended(running) == 0


@pytest.mark.parametrize("name", NAMES)
async def test_a_process_whose_services_are_away_is_alive_and_not_ready(
    name: str, port: int, environment: Mapping[str, str]
) -> None:
    async with (
        process(name, {**environment, **AWAY}, "--monitor-port", str(port), ready=READY_TO_STOP[name]) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):
        assert (await http.get("/health/live")).json() == {"status": "alive"}
        readiness = await http.get("/health/ready")
        assert readiness.status_code == 503
        assert readiness.json()["checks"]["postgres"]["ok"] is False

        assert await ended(running) == 0
