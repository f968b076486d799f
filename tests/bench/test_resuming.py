"""Whoever stops and resumes a hundred times, while 500 events a second happen, hears each once and in order.

pytest tests/bench/test_resuming.py -m slow -s
"""

import asyncio
import random
import time

import pytest

from tests.api.listening import listening
from tests.factories import a_file_uploaded
from tests.journey.conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RATE = 500
"""Events a second."""
STOPS = 100
"""At least."""
EVENTS = 10_000
WRITERS = 4
TOGETHER = 10
"""Events of a transaction."""


async def feed(house: House) -> float:
    """Returns how many a second were committed."""
    began = time.perf_counter()

    async def write(first: int) -> None:
        for done in range(first * TOGETHER, EVENTS, WRITERS * TOGETHER):
            await asyncio.sleep(began + done / RATE - time.perf_counter())
            await house.database.record(*(a_file_uploaded(owner_id=house.account.id) for _ in range(TOGETHER)))

    await asyncio.gather(*map(write, range(WRITERS)))
    return EVENTS / (time.perf_counter() - began)


async def test_a_hundred_resumptions_at_500_events_a_second_miss_and_double_nothing(house: House) -> None:
    await house.start("api", "relay")
    url, headers, chance = str(house.http.base_url), dict(house.http.headers), random.Random(6)  # noqa: S311
    heard, stops = list[int](), 0
    feeding = asyncio.create_task(feed(house))
    while len(heard) < EVENTS:
        async with listening(url, headers, after=heard[-1] if heard else 0) as listener:
            wanted = min(chance.randint(1, EVENTS // STOPS), EVENTS - len(heard))
            heard += [told.id for told in await listener.next(wanted)]
        stops += 1
    rate = await feeding

    print(f"\n{EVENTS} events at {rate:.0f} a second, heard over {stops} connections")
    assert heard == list(range(1, EVENTS + 1))
    assert rate >= 0.9 * RATE
    assert stops >= STOPS
