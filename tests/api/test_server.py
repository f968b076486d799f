"""Whose word is taken for a client's address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from api.server import server_config
from domain.aggregate import new_id
from infra.settings import Settings
from tests.api.conftest import running

PASSWORD = "x" * 10


@asynccontextmanager
async def served(settings: Settings, *, from_: str, proxies: tuple[str, ...]) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose socket is at `from_`, of an API as uvicorn serves it."""
    strict = msgspec.structs.replace(settings, rate_limit_scale=1.0, trusted_proxies=proxies)
    async with running(strict) as app:
        config = server_config(app, strict)
        config.load()
        transport = httpx.ASGITransport(cast("Any", config.loaded_app), client=(from_, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://waybill.test") as http:
            yield http


async def register(http: httpx.AsyncClient, forwarded_for: str) -> int:
    """Each time another person: only the address is counted."""
    person = {"email": f"{new_id().hex}@example.com", "password": PASSWORD}
    return (await http.post("/v1/accounts", json=person, headers={"X-Forwarded-For": forwarded_for})).status_code


@pytest.mark.parametrize("proxies", [(), ("10.0.0.0/8",)])
async def test_nobody_chooses_an_address_of_their_own(
    proxies: tuple[str, ...], settings: Settings, redis: Redis
) -> None:
    async with served(settings, from_="127.0.0.1", proxies=proxies) as http:
        statuses = [await register(http, f"192.0.2.{number}") for number in range(21)]

    assert statuses == [422] * 20 + [429]


async def test_a_trusted_proxys_word_is_taken_and_only_its_own(settings: Settings, redis: Redis) -> None:
    """What stands before the address that it saw came from the client."""
    async with served(settings, from_="10.1.2.3", proxies=("10.0.0.0/8",)) as http:
        statuses = [await register(http, f"198.51.100.{number}, 192.0.2.1, 10.9.9.9") for number in range(21)]
        assert statuses == [422] * 20 + [429]

        assert await register(http, "192.0.2.2") == 422
