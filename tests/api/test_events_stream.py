"""What happens is heard as it happens: each event once and in order, wherever a listener stops and resumes."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from redis.asyncio import Redis

from api.live import response, streams, subscriber
from domain.actor import Actor, Scope
from domain.aggregate import new_id, now
from domain.catalogue import STREAMS
from domain.sessions.queries import living_sessions
from infra.settings import Settings
from outbox.feed import EVERYTHING
from outbox.relay import run
from tests.api.conftest import Client, client_of, running, service_of
from tests.api.listening import PATIENCE, STREAM, Listener, listening, serving
from tests.api.matrix import assert_problem
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History, history
from tests.outbox.forwarder import forwarder_to_postgres

__all__ = ["history"]

LONG_PAST = 1000
"""More, of large events, than pages that have been read before somebody takes them."""
Listen = Callable[..., AbstractAsyncContextManager[Listener]]


@pytest.fixture
async def base_url(app: Litestar) -> AsyncIterator[str]:
    async with serving(app) as url:
        yield url


@pytest.fixture
def listen(base_url: str, client: Client) -> Listen:
    return lambda by=client, **options: listening(base_url, by.headers, **options)


@pytest.fixture
def mine(client: Client) -> Callable[[int], list[Any]]:
    """So many events of the client's."""
    return lambda count: [a_file_uploaded(owner_id=client.account.id) for _ in range(count)]


Mine = Callable[[int], list[Any]]


@asynccontextmanager
async def relaying(settings: Settings, redis: Redis) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings.database_url, redis, STREAMS, stop))
    try:
        yield
    finally:
        stop.set()
        await task


def ids(told: list[Any]) -> list[int]:
    return [each.id for each in told]


async def test_without_a_position_one_hears_what_happens_from_now_on(
    listen: Listen, history: History, mine: Mine, stranger: Client
) -> None:
    await history.publish(*mine(2))
    async with listen() as listener:
        await history.publish(a_file_uploaded(owner_id=stranger.account.id), *mine(2))
        told = await listener.next(2)

    assert listener.answer.headers["Content-Type"].startswith("text/event-stream")
    assert ids(told) == [4, 5]
    assert {each.type for each in told} == {"file.uploaded"}
    assert [each.event["sequence"] for each in told] == ["4", "5"]


async def test_after_a_position_one_hears_the_past_first(listen: Listen, history: History, mine: Mine) -> None:
    await history.publish(*mine(3))
    async with listen(after=1) as listener:
        assert ids(await listener.next(2)) == [2, 3]
    async with listen(after=2) as again:
        assert ids(await again.next(1)) == [3]


async def test_the_header_counts_more_than_the_address(listen: Listen, history: History, mine: Mine) -> None:
    """An EventSource that comes again asks the same address, and says in the header what it has heard."""
    await history.publish(*mine(3))
    async with listen(after=2, query={"after": "0"}) as listener:
        assert ids(await listener.next(1)) == [3]


async def test_a_service_hears_everybody_and_only_the_types_it_asked_for(
    listen: Listen, history: History, client: Client
) -> None:
    service = await service_of(client, Scope.EVENTS_READ)
    async with listen(service, query={"type": "*.uploaded"}) as listener:
        await history.publish(a_file_uploaded(), a_file_uploaded())
        assert ids(await listener.next(2)) == [1, 2]


async def test_whoever_resumes_at_any_point_hears_each_event_once_and_in_order(
    listen: Listen, history: History, mine: Mine, settings: Settings, redis: Redis
) -> None:
    """100 times, while up to 500 events a second happen: tests/bench/test_resuming.py says how many do."""
    count, chance, heard = 2000, random.Random(6), list[int]()  # noqa: S311 - where to stop, not what to hide

    async def happen() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for done in range(0, count, 10):
            await asyncio.sleep(began + done / 500 - loop.time())
            await history.database.record(*mine(10))

    async with relaying(settings, redis):
        happening = asyncio.create_task(happen())
        for _ in range(100):
            async with listen(after=heard[-1] if heard else 0) as listener:
                heard += ids(await listener.next(chance.randint(1, count // 100 - 1)))
        async with listen(after=heard[-1]) as listener:
            heard += ids(await listener.next(count - len(heard)))
        await happening

    assert heard == list(range(1, count + 1))


async def test_what_becomes_of_redis_is_no_matter(
    listen: Listen, history: History, mine: Mine, settings: Settings, redis: Redis
) -> None:
    async with listen() as listener:
        for _ in range(3):
            async with relaying(settings, redis):
                await history.database.record(*mine(3))
                await redis.flushall()
                assert len(await listener.next(3)) == 3


async def test_who_reads_the_past_while_postgres_goes_away_is_told_to_resume(
    environment: Mapping[str, str], settings: Settings, history: History, client: Client
) -> None:
    large = [a_file_uploaded(owner_id=client.account.id, name="x" * 20_000) for _ in range(LONG_PAST)]
    await history.publish(*large)
    async with forwarder_to_postgres(environment) as postgres:
        through = msgspec.structs.replace(settings, database_url=postgres.postgres_url(settings.database_url))
        async with running(through) as app, serving(app) as url:
            person = await client_of(client.account, app, client.http, history.database)
            async with listening(url, person.headers, after=0) as listener:
                told = await listener.next(1)
                await postgres.cut()
                told += await listener.rest()
            await postgres.mend()
            assert response.AWAY in listener.comments
            assert len(told) < LONG_PAST

            async with listening(url, person.headers, after=told[-1].id) as resumed:
                told += await resumed.next(LONG_PAST - len(told))
    assert ids(told) == list(range(1, LONG_PAST + 1))


async def test_who_reads_too_slowly_is_let_go_and_told_to_resume(
    listen: Listen, history: History, mine: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "QUEUE", 3)
    async with listen() as listener:
        await history.publish(*mine(9))
        told = await listener.rest()
    async with listen(after=told[-1].id) as resumed:
        told += await resumed.next(9 - len(told))

    assert subscriber.TOO_SLOW in listener.comments
    assert ids(told) == list(range(1, 10))


async def test_who_takes_nothing_at_all_is_given_up(
    base_url: str, app: Litestar, client: Client, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response, "SEND_SECONDS", 0.2)
    await history.publish(*(a_file_uploaded(owner_id=client.account.id, name="x" * 20_000) for _ in range(1000)))
    url = httpx.URL(base_url)
    _, writer = await asyncio.open_connection(url.host, url.port, limit=1)
    head = f"GET {STREAM} HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 0\r\n"
    writer.write(f"{head}Authorization: {client.headers['Authorization']}\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        for there in (True, False):
            while bool(len(app.state.streams)) != there:  # noqa: ASYNC110 - a server sets no event
                await asyncio.sleep(0.01)
    writer.transport.abort()


async def test_a_comment_now_and_then_keeps_the_line_open(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "HEARTBEAT_SECONDS", 0.02)
    async with listen() as listener, asyncio.timeout(PATIENCE):
        async for line in listener.lines:
            if line == ": still here":
                break


async def test_a_position_older_than_retention_is_expired(
    client: Client, history: History, mine: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await history.publish(*mine(3))
    await history.database.execute("DELETE FROM outbox WHERE position <= 2")

    assert_problem(await client.get(f"{STREAM}?after=1"), 410, "position-expired")
    assert_problem(await client.get(STREAM, headers={"Last-Event-ID": "0"}), 410, "position-expired")
    assert_problem(await client.get(STREAM, headers={"Last-Event-ID": "x"}), 422, "invalid")


async def test_a_stream_ends_with_its_session(
    listen: Listen, app: Litestar, client: Client, history: History, mine: Mine
) -> None:
    async with listen() as listener, listen() as another:
        await history.publish(*mine(1))
        assert ids(await another.next(1)) == [1]
        await client.delete("/v1/sessions/current")
        await app.state.streams.check()

        assert ids(await listener.rest()) == [1]
    assert streams.CREDENTIALS_OVER in listener.comments


async def test_a_stream_ends_with_its_service_token(listen: Listen, app: Litestar, client: Client) -> None:
    service = await service_of(client, Scope.EVENTS_READ)
    (token,) = (await client.get("/v1/service-tokens")).json()["items"]
    async with listen(service) as listener:
        await client.delete(f"/v1/service-tokens/{token['id']}")
        await app.state.streams.check()

        assert await listener.rest() == []
    assert streams.CREDENTIALS_OVER in listener.comments


async def test_whoever_may_listen_is_asked_again_after_any_error(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def fails_at_first(session: Any, people: Any) -> Any:
        asked.append(people)
        if len(asked) == 1:
            raise RuntimeError("a fault of ours")
        return await living_sessions(session, people)

    monkeypatch.setattr(streams, "living_sessions", fails_at_first)
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(streams, "RETRY_SECONDS", 0.01)
    live = streams.Streams(database.sessions)
    async with live.running(), asyncio.timeout(PATIENCE):
        subscriber = live.admit(Actor(client.account.id, session_id=new_id()), EVERYTHING)
        await subscriber.news(seconds=PATIENCE)

    assert (subscriber.ended, len(asked)) == (streams.CREDENTIALS_OVER, 2)


async def test_a_stream_ends_with_its_access_token(
    listen: Listen, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listen() as listener:
        await app.state.streams.check()
        monkeypatch.setattr(streams, "now", lambda: now() + timedelta(minutes=16))
        await app.state.streams.check()

        assert await listener.rest() == []
    assert streams.CREDENTIALS_OVER in listener.comments


async def test_streams_are_bounded_for_an_account_and_for_a_process(
    listen: Listen, client: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "OF_AN_ACCOUNT", 1)
    monkeypatch.setattr(streams, "OF_A_PROCESS", 2)
    async with listen():
        assert_problem(await client.get(STREAM), 429, "too-many-streams")
        async with listen(stranger):
            assert_problem(await client.get(STREAM), 503, "streams-full")


async def test_whoever_has_gone_takes_no_place(listen: Listen, app: Litestar, history: History, mine: Mine) -> None:
    for _ in range(3):
        async with listen():
            assert len(app.state.streams) >= 1
    async with asyncio.timeout(PATIENCE):
        while len(app.state.streams):  # noqa: ASYNC110 - a server sets no event when a client has gone
            await asyncio.sleep(0.01)
