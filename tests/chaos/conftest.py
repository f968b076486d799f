"""The chaos suite: its own services, so that they may be broken too, and a table of what came of it."""

import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from api.tokens import AccessTokens
from domain.sessions.model import Session
from infra import streams
from infra.database import create_engine
from infra.embedded import EmbeddedStack
from infra.keyring import local_keys
from infra.services.data_dir import DataDir
from infra.settings import load_settings
from infra.supervision.supervisor import Backoff, Supervisor
from infra.up.processes import Programs
from tests import memory
from tests.chaos import report
from tests.chaos.armed import Plan
from tests.chaos.s3_proxy import S3Proxy
from tests.chaos.scene import EVERYTHING, Scene
from tests.conftest import FAST
from tests.database import Database, migrate
from tests.factories import an_account
from tests.outbox.forwarder import forwarder_to_smtp

SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROOT = Path(__file__).parents[2]
AT_ONCE = Backoff(first=0.05, factor=1)
ARMED = (sys.executable, "-m", "tests.chaos.armed")
REDIS_DATABASES = itertools.cycle(range(16))
"""One for each scene: an earlier one's processes may still be at work in theirs."""


@pytest.fixture(scope="package")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Services that nobody else uses, with a migrated database to copy."""
    async with AsyncExitStack() as leaving:
        path = leaving.enter_context(memory.directory("ground", otherwise=tmp_path_factory.mktemp("ground")))
        stack = await leaving.enter_async_context(EmbeddedStack(path, postgres_settings=FAST))
        await migrate(stack.environment["WAYBILL_DATABASE_URL"])
        yield stack


@pytest.fixture
async def scene(
    ground: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    """Nothing runs yet: start what is needed, with what settings are needed."""
    async with _scene(ground, tmp_path_factory.mktemp("scene")) as scene:
        scene.begin(_name(request))
        yield scene


@pytest.fixture(scope="package")
async def shared(ground: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Everything runs, for one short scenario after the other, and not beside any other test."""
    async with _scene(ground, tmp_path_factory.mktemp("shared")) as scene:
        await scene.start(*EVERYTHING)
        yield scene


@pytest.fixture
async def alone(scene: Scene) -> Scene:
    """Everything runs, for this scenario only."""
    await scene.start(*EVERYTHING)
    return scene


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Scene:
    """Everything runs. The short forms share it: starting five processes takes longer than they do."""
    scene: Scene = request.getfixturevalue("shared" if "short" in request.node.name else "alone")
    scene.begin(_name(request))
    return scene


@asynccontextmanager
async def _scene(ground: EmbeddedStack, directory: Path) -> AsyncIterator[Scene]:
    data_dir = DataDir.prepare(directory)
    port = data_dir.port("api")
    hits = directory / "hits"
    hits.mkdir()
    async with AsyncExitStack() as leaving:
        proxy = await leaving.enter_async_context(S3Proxy.before(ground.environment["WAYBILL_S3_ENDPOINT_URL"]))
        smtp = await leaving.enter_async_context(forwarder_to_smtp(ground.environment))
        bucket = f"chaos-{uuid4().hex}"
        (ground.s3_dir / bucket).mkdir()
        given = ground.environment | {
            "WAYBILL_DATABASE_URL": await leaving.enter_async_context(_fresh_database(ground, bucket)),
            "WAYBILL_REDIS_URL": ground.environment["WAYBILL_REDIS_URL"].replace("db=0", f"db={next(REDIS_DATABASES)}"),
            "WAYBILL_S3_BUCKET": bucket,
            "WAYBILL_S3_ENDPOINT_URL": proxy.url,
            "WAYBILL_SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
            "WAYBILL_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "WAYBILL_RETRY_BASE_SECONDS": "0.2",
            "WAYBILL_RETRY_MAX_ATTEMPTS": "20",
            "WAYBILL_RATE_LIMIT_SCALE": "1000",
            "WAYBILL_LEASE_SECONDS": "2",
        }
        settings = load_settings({name: value for name, value in given.items() if name.startswith("WAYBILL_")})
        engine = create_engine(settings.database_url)
        leaving.push_async_callback(engine.dispose)
        redis = streams.connect(settings.redis_url)
        leaving.push_async_callback(redis.aclose)
        await redis.flushdb()
        database, ends = Database(settings.database_url, engine), list[str]()
        account = await database.save(an_account())
        async with database.sessions.begin() as session:
            session.add(begun := Session.begin(account.id, user_agent=None))
        supervisor = await leaving.enter_async_context(Supervisor(backoff=AT_ONCE, report=ends.append))
        yield Scene(
            stack=ground,
            programs=Programs(data_dir, {**os.environ, **given, "PYTHONPATH": str(ROOT)}, ARMED),
            supervisor=supervisor,
            port=port,
            database=database,
            redis=redis,
            s3=proxy,
            smtp=smtp,
            bucket=ground.s3_dir / bucket,
            token=AccessTokens(local_keys(settings), issuer=settings.public_url).issue(account.id, begun.id).token,
            ends=ends,
            plan=Plan(seed=SEED, hits=str(hits)),
        )


@asynccontextmanager
async def _fresh_database(ground: EmbeddedStack, name: str) -> AsyncIterator[str]:
    """The URL of a copy of the migrated one."""
    url = ground.environment["WAYBILL_DATABASE_URL"]
    await _administer(url, f'CREATE DATABASE "{name}" TEMPLATE waybill STRATEGY FILE_COPY')
    yield url.replace("/waybill?", f"/{name}?")
    await _administer(url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("/waybill?", "/postgres?"))
    await connection.execute(statement)
    await connection.close()


def _name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).removeprefix("test_")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if report.LINES:
        terminalreporter.section("chaos")
        for line in (*report.table(), "", *report.failpoints()):
            terminalreporter.write_line(line)
