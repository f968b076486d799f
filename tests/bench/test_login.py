"""What logging in takes, and what it tells and does to others; with hashes and processes as everybody has them.

pytest tests/bench -m slow -s
"""

import asyncio
import http.client
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from statistics import median, quantiles

import httpx
import pytest

from tests.journey.conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TRIES = 200
PERSON = {"email": "known@example.com", "password": "correct horse battery"}
WRONG = "wrong horse battery"


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials, of an API in which one person has an account."""
    await house.start("api")
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=house.http.base_url, timeout=120, limits=limits) as client:
        (await client.post("/v1/accounts", json=PERSON)).raise_for_status()
        yield client


async def seconds_to(client: httpx.AsyncClient, email: str) -> float:
    began = time.perf_counter()
    response = await client.post("/v1/sessions", json={"email": email, "password": WRONG})
    assert response.status_code == 401
    return time.perf_counter() - began


async def test_a_login_takes_as_long_for_an_unknown_address(api: httpx.AsyncClient) -> None:
    """One and the other in turn: whatever else the machine does happens to both."""
    emails = {"known": PERSON["email"], "unknown": "nobody@example.com"}
    for email in emails.values():
        await seconds_to(api, email)
    took: dict[str, list[float]] = {name: [] for name in emails}
    for _ in range(TRIES):
        for name, email in emails.items():
            took[name].append(await seconds_to(api, email))

    known, unknown = (1000 * median(took[name]) for name in ("known", "unknown"))

    print(f"\nlogin, median of {TRIES}: known {known:.1f} ms, unknown {unknown:.1f} ms")
    assert abs(known - unknown) / min(known, unknown) < 0.10


async def test_many_logins_at_once_delay_nobody_who_asks_for_something_else(api: httpx.AsyncClient) -> None:
    """Whoever asks does so from a thread: 200 answers to read are not the API's delay."""
    done = threading.Event()
    asking = asyncio.create_task(asyncio.to_thread(ask_until, done, str(api.base_url.host), api.base_url.port))
    began = time.perf_counter()
    answers = await asyncio.gather(*(api.post("/v1/sessions", json=PERSON) for _ in range(TRIES)))
    seconds = time.perf_counter() - began
    done.set()
    took = await asking

    statuses = Counter(answer.status_code for answer in answers)
    p50, p99 = (1000 * quantiles(took, n=100)[index] for index in (49, 98))
    print(
        f"\n{TRIES} logins in {seconds:.1f} s: {dict(statuses)}; "
        f"/health/live {len(took)} times, median {p50:.0f} ms, p99 {p99:.0f} ms, worst {1000 * max(took):.0f} ms"
    )
    assert p99 <= 250
    assert set(statuses) <= {201, 503}


def ask_until(done: threading.Event, host: str, port: int | None) -> list[float]:
    """The seconds that each answer of /health/live took."""
    connection, took = http.client.HTTPConnection(host, port), list[float]()
    while not done.wait(0.01):
        asked = time.perf_counter()
        connection.request("GET", "/health/live")
        assert connection.getresponse().read()
        took.append(time.perf_counter() - asked)
    connection.close()
    return took
