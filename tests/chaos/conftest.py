"""The chaos suite: its own services, so that they may be broken too, and a table of what came of it."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from api.tokens import AccessTokens, local_key
from domain.aggregate import new_id
from infra import streams
from infra.database import create_engine
from infra.embedded import EmbeddedStack
from infra.services.data_dir import DataDir
from infra.settings import load_settings
from infra.supervision.supervisor import Backoff, Supervisor
from infra.up.processes import Programs
from migrations.command import alembic_config
from tests.chaos import report
from tests.chaos.armed import Plan
from tests.chaos.scene import Scene
from tests.conftest import FAST
from tests.database import Database
from tests.factories import an_account

SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROOT = Path(__file__).parents[2]
AT_ONCE = Backoff(first=0.05, factor=1)
ARMED = (sys.executable, "-m", "tests.chaos.armed")


@pytest.fixture(scope="session")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Services that nobody else uses, with a migrated database to copy."""
    from alembic import command  # noqa: PLC0415 - slow to import, and not every run needs it

    async with EmbeddedStack(tmp_path_factory.mktemp("ground"), postgres_settings=FAST) as stack:
        engine = create_engine(stack.environment["WAYBILL_DATABASE_URL"])
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
        await engine.dispose()
        yield stack


@pytest.fixture
async def ground_environment(ground: EmbeddedStack) -> AsyncIterator[dict[str, str]]:
    """A fresh database, an empty Redis and an empty bucket."""
    name = f"chaos_{uuid4().hex}"
    url = ground.environment["WAYBILL_DATABASE_URL"]
    admin = await asyncpg.connect(url.replace("/waybill?", "/postgres?"))
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE waybill')
    await admin.close()
    (ground.s3_dir / name.replace("_", "-")).mkdir()
    yield ground.environment | {
        "WAYBILL_DATABASE_URL": url.replace("/waybill?", f"/{name}?"),
        "WAYBILL_S3_BUCKET": name.replace("_", "-"),
        "WAYBILL_RETRY_BASE_SECONDS": "0.05",
        "WAYBILL_LEASE_SECONDS": "1",
    }
    admin = await asyncpg.connect(url.replace("/waybill?", "/postgres?"))
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture
async def scene(
    ground: EmbeddedStack, ground_environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    settings = load_settings({k: v for k, v in ground_environment.items() if k.startswith("WAYBILL_")})
    data_dir = DataDir.prepare(tmp_path)
    port = data_dir.port("api")
    url = f"http://127.0.0.1:{port}"
    env = {**os.environ, **ground_environment, "WAYBILL_PUBLIC_URL": url, "PYTHONPATH": str(ROOT)}
    (tmp_path / "hits").mkdir()
    engine = create_engine(settings.database_url)
    redis = streams.connect(settings.redis_url)
    await redis.flushall()
    database = Database(settings.database_url, engine)
    account = await database.save(an_account())
    ends: list[str] = []
    async with Supervisor(backoff=AT_ONCE, report=ends.append) as supervisor:
        yield Scene(
            name=request.node.name.removeprefix("test_"),
            seed=SEED,
            stack=ground,
            programs=Programs(data_dir, env, ARMED),
            supervisor=supervisor,
            port=port,
            database=database,
            redis=redis,
            token=AccessTokens(local_key(settings), issuer=url).issue(account.id, new_id()).token,
            bucket=ground.s3_dir / settings.s3_bucket,
            ends=ends,
            plan=Plan(seed=SEED, hits=str(tmp_path / "hits")),
        )
    await redis.aclose()
    await engine.dispose()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if report.LINES:
        terminalreporter.section("chaos")
        for line in (*report.table(), "", *report.failpoints()):
            terminalreporter.write_line(line)
