"""Real Postgres, Valkey and S3 for every test: one stack a run, one database a test, copied from a template."""

import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from argon2 import PasswordHasher
from redis.asyncio import Redis
from xdist.scheduler import LoadFileScheduling

from domain.accounts import passwords
from infra import streams
from infra.database import create_engine
from infra.embedded import EmbeddedStack
from infra.settings import Settings, load_settings
from infra.storage import Storage
from tests import memory
from tests.browser import chromium, page
from tests.database import Database, migrate
from tests.moto import any_storage, moto
from tests.secrecy import found_in_database, found_in_logs, found_in_text

__all__ = ["any_storage", "chromium", "moto", "page"]
"""Fixtures from other files."""

FAST = {"fsync": "off", "full_page_writes": "off"}
"""The tests lose nothing in a power cut; whoever runs Waybill does, so nothing else turns these off."""
LONGEST = ("chaos", "journey", "model", "ops")
passwords.HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Fifty times as cheap; processes of our own, and tests/bench, hash as everybody does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it in the end."""
    order = {name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(order)))


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A worker gets a file at a time; all of chaos is one, since its files share services and processes."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/chaos" if nodeid.startswith("tests/chaos/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test fails if it, or what it ran, has printed or logged a secret."""
    report = yield
    if report.when == "teardown" and report.passed and (found := found_in_text(report.caplog + report.capstdout)):
        report.outcome, report.longrepr = "failed", f"secrets were logged: {found}"
    return report


@pytest.fixture(scope="session", autouse=True)
def no_log_holds_a_secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After the whole run: in no log of any process that a test has started."""
    yield
    assert found_in_logs(tmp_path_factory.getbasetemp()) == []


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    with memory.directory("stack", otherwise=tmp_path_factory.mktemp("stack")) as path:
        async with EmbeddedStack(path, postgres_settings=FAST) as running:
            os.environ.update({k: v for k, v in running.environment.items() if k.startswith("AWS_")})
            yield running
        assert found_in_logs(path) == []


@pytest.fixture(scope="session")
async def template(stack: EmbeddedStack) -> str:
    """The name of a migrated database to copy."""
    await migrate(stack.environment["WAYBILL_DATABASE_URL"])
    return "waybill"


@pytest.fixture(scope="session")
async def admin(stack: EmbeddedStack) -> AsyncIterator[asyncpg.Connection]:
    """Makes and drops databases."""
    connection = await asyncpg.connect(stack.environment["WAYBILL_DATABASE_URL"].replace("/waybill?", "/postgres?"))
    yield connection
    await connection.close()


@pytest.fixture
async def environment(stack: EmbeddedStack, template: str, admin: asyncpg.Connection) -> AsyncIterator[dict[str, str]]:
    """The stack's environment, with a fresh database; retries and leases are short, rate limits are wide."""
    name = f"test_{uuid4().hex}"
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE {template} STRATEGY FILE_COPY')
    url = stack.environment["WAYBILL_DATABASE_URL"].replace("/waybill?", f"/{name}?")
    yield stack.environment | {
        "WAYBILL_DATABASE_URL": url,
        "WAYBILL_RETRY_BASE_SECONDS": "0.01",
        "WAYBILL_LEASE_SECONDS": "1",
        "WAYBILL_RATE_LIMIT_SCALE": "1000",
    }
    found = await found_in_database(url)
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    assert found == [], "secrets were stored"


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return load_settings(environment)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    engine = create_engine(settings.database_url)
    yield Database(settings.database_url, engine)
    await engine.dispose()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = streams.connect(settings.redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    async with Storage.connect(settings) as connected:
        yield connected


@pytest.fixture
def png() -> bytes:
    """A real PNG of one pixel."""
    return (Path(__file__).parent / "pixel.png").read_bytes()
