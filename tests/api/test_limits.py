"""Whoever asks too often is told so, and when to come again; nobody is kept from anything else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
import pytest
from litestar import Litestar
from redis.asyncio import Redis

from infra import paserk
from infra.keyring import KeyRing
from infra.settings import Settings
from tests.api.conftest import http_client, running
from tests.api.matrix import assert_problem
from tests.api.test_outages import closed_port

LOGIN = {"email": "ada@example.com", "password": "wrong password"}
OTHER = {"email": "eve@example.com", "password": "wrong password"}


@pytest.fixture
def settings(settings: Settings, redis: Redis) -> Settings:
    """Limits as everybody has them, nothing counted yet."""
    return msgspec.structs.replace(settings, rate_limit_scale=1.0)


def client_at(app: Litestar, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://waybill.test")


async def log_in(http: httpx.AsyncClient, times: int, body: dict[str, str] = LOGIN) -> list[int]:
    return [(await http.post("/v1/sessions", json=body)).status_code for _ in range(times)]


async def test_an_account_is_guessed_at_ten_times_a_minute_from_wherever(app: Litestar) -> None:
    async with client_at(app, "192.0.2.1") as here, client_at(app, "192.0.2.2") as there:
        assert await log_in(here, 5) + await log_in(there, 5) == [401] * 10

        response = await there.post("/v1/sessions", json=LOGIN | {"email": "ADA@example.com "})

        assert_problem(response, 429, "too-many-requests")
        assert 50 <= int(response.headers["Retry-After"]) <= 60
        assert await log_in(there, 1, OTHER) == [401]


async def test_an_address_guesses_at_many_accounts_60_times_a_minute(app: Litestar) -> None:
    async with client_at(app, "192.0.2.1") as here, client_at(app, "192.0.2.2") as there:
        statuses = [(await log_in(here, 1, {**LOGIN, "email": f"{n}@example.com"}))[0] for n in range(61)]

        assert statuses == [401] * 60 + [429]
        assert await log_in(there, 1) == [401]


async def test_an_address_is_registered_five_times_an_hour_from_wherever(app: Litestar) -> None:
    person = {"email": "ada@example.com", "password": "x" * 10}
    async with client_at(app, "192.0.2.1") as here, client_at(app, "192.0.2.2") as there:
        statuses = [(await http.post("/v1/accounts", json=person)).status_code for http in [here, there] * 3]
        assert statuses == [422] * 5 + [429]

        other = await here.post("/v1/accounts", json=person | {"email": "eve@example.com"})

    assert other.status_code == 422


@pytest.mark.parametrize(
    ("address", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
    ],
)
async def test_a_customer_of_ipv6_is_one_address(app: Litestar, address: str, other: str, *, same: bool) -> None:
    people = [{"email": f"{n}@example.com", "password": "x" * 10} for n in range(22)]
    async with client_at(app, address) as here, client_at(app, other) as there:
        statuses = [(await here.post("/v1/accounts", json=each)).status_code for each in people[:21]]
        assert statuses == [422] * 20 + [429]

        assert (await there.post("/v1/accounts", json=people[21])).status_code == (429 if same else 422)


async def test_several_processes_count_together(settings: Settings) -> None:
    async with (
        running(settings) as first,
        running(settings) as second,
        http_client(first) as one,
        http_client(second) as two,
    ):
        answers = await asyncio.gather(*(log_in(each, 1) for each in [one, two] * 10))

    assert sorted(status for (status,) in answers) == [401] * 10 + [429] * 10


async def test_nobody_is_told_by_a_limit_whether_an_address_is_known(
    app: Litestar, anonymous: httpx.AsyncClient
) -> None:
    known = {"email": "known@example.com", "password": "correct horse battery"}
    assert (await anonymous.post("/v1/accounts", json=known)).status_code == 201

    for body in (known | {"password": "wrong password"}, OTHER):
        assert await log_in(anonymous, 11, body) == [401] * 10 + [429]


async def test_a_refusal_for_asking_too_often_is_not_kept(anonymous: httpx.AsyncClient, redis: Redis) -> None:
    await log_in(anonymous, 10)
    key = {"Idempotency-Key": "k"}
    refused = await anonymous.post("/v1/sessions", json=LOGIN, headers=key)

    await redis.flushall()
    again = await anonymous.post("/v1/sessions", json=LOGIN, headers=key)

    assert (refused.status_code, again.status_code) == (429, 401)
    assert "Idempotent-Replayed" not in again.headers


async def test_an_idempotency_key_is_no_way_round_a_limit(anonymous: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k"}
    statuses = [(await anonymous.post("/v1/sessions", json=LOGIN, headers=key)).status_code for _ in range(11)]

    assert statuses == [401] * 10 + [429]


async def test_with_an_idempotency_key_a_request_counts_once(anonymous: httpx.AsyncClient) -> None:
    sent = [anonymous.post("/v1/sessions", json=LOGIN, headers={"Idempotency-Key": f"{n}"}) for n in range(11)]

    assert [(await each).status_code for each in sent] == [401] * 10 + [429]


async def test_who_is_counted_is_hashed_with_the_key_of_today(
    anonymous: httpx.AsyncClient, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_in(anonymous, 1)
    before = set(await redis.keys())

    monkeypatch.setattr(KeyRing, "current", paserk.local_key(paserk.new_local()))
    await log_in(anonymous, 1)

    assert len(set(await redis.keys()) - before) == len(before)


async def test_redis_learns_no_address(anonymous: httpx.AsyncClient, redis: Redis) -> None:
    await log_in(anonymous, 1, LOGIN | {"email": "trixy@example.com"})  # in letters that no digest has

    keys = str(await redis.keys())

    assert "login-account" in keys
    assert "trixy" not in keys
    assert "127.0.0.1" not in keys


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """Of a Redis that accepts and never answers."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("redis_port", [nullcontext(closed_port()), silent_port()], ids=["refuses", "is silent"])
async def test_without_redis_fewer_guesses_pass_and_nobody_waits(
    redis_port: AbstractAsyncContextManager[int], settings: Settings
) -> None:
    async with redis_port as port:
        away = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{port}/0")
        async with running(away) as app, http_client(app) as http, asyncio.timeout(5):
            assert await log_in(http, 10) == [401] * 2 + [429] * 8
            assert await log_in(http, 1, OTHER) == [401]


async def test_redis_counts_again_when_it_is_back(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.rates.PAUSE", 0.0)
    path = tmp_path / "redis"
    url = urlsplit(settings.redis_url)
    away = msgspec.structs.replace(settings, redis_url=url._replace(path=str(path)).geturl())
    async with running(away) as app, http_client(app) as http:
        assert await log_in(http, 3) == [401, 401, 429]

        path.symlink_to(unquote(url.path))

        assert await log_in(http, 11) == [401] * 10 + [429]
