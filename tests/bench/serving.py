"""One process that answers HTTP, ours or a floor's, and people who may ask it."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from api.tokens import AccessTokens
from domain.sessions.model import Session
from infra.database import create_engine
from infra.keyring import local_keys
from infra.settings import load_settings
from infra.supervision.program import Program
from infra.supervision.supervisor import Supervisor
from infra.up.processes import Programs, is_live
from outbox.session import Sessions, session_factory
from tests.bench.place import Place
from tests.factories import an_account

NO_HEADERS = ("--no-proxy-headers", "--no-server-header")
PUBLIC_URL = "http://bench.example"


@dataclass(frozen=True)
class Server:
    port: int
    pid: int


@dataclass(frozen=True)
class Person:
    id: UUID
    headers: Mapping[str, str]


@asynccontextmanager
async def api(place: Place, database_url: str) -> AsyncIterator[Server]:
    """`waybill api`, as in production: its log is JSON, in a file."""
    env = {**place.with_database(database_url), "WAYBILL_PUBLIC_URL": PUBLIC_URL, "WAYBILL_LOG_FORMAT": "json"}
    port = place.data_dir.port("api")
    async with _running(Programs(place.data_dir, env).api(port), port) as server:
        yield server


@asynccontextmanager
async def bare(place: Place, database_url: str, app: str, *, name: str = "bare") -> AsyncIterator[Server]:
    """An ASGI application under the same uvicorn, with the same event loop and parser."""
    port = place.data_dir.port(name)
    options = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning", *NO_HEADERS)
    program = Program(
        name=name,
        argv=(sys.executable, "-m", "uvicorn", app, "--port", str(port), *options),
        env=place.with_database(database_url),
        log=place.data_dir.log(name),
        ready=partial(is_live, port),
    )
    async with _running(program, port) as server:
        yield server


@asynccontextmanager
async def _running(program: Program, port: int) -> AsyncIterator[Server]:
    async with Supervisor() as supervisor:
        await supervisor.start(program)
        yield Server(port, supervisor.pid(program.name))


async def people(place: Place, database_url: str, count: int) -> Sequence[Person]:
    """Of a fresh account each."""
    accounts = [an_account() for _ in range(count)]
    async with sessions_of(database_url) as sessions, sessions.begin() as session:
        session.add_all(accounts)
    return [await visitor(place, database_url, account.id) for account in accounts]


async def visitor(place: Place, database_url: str, account_id: UUID) -> Person:
    """In a new session of this account, with a token as it is given to who logs in."""
    settings = load_settings(place.with_database(database_url))
    begun = Session.begin(account_id, user_agent=None)
    async with sessions_of(database_url) as sessions, sessions.begin() as session:
        session.add(begun)
    token = AccessTokens(local_keys(settings), issuer=PUBLIC_URL).issue(account_id, begun.id).token
    return Person(account_id, {"Authorization": f"Bearer {token}"})


@asynccontextmanager
async def sessions_of(database_url: str) -> AsyncIterator[Sessions]:
    engine = create_engine(database_url)
    yield session_factory(engine)
    await engine.dispose()
