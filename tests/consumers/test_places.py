"""Places: so many at once, in the order in which they were asked for, until they are closed."""

import asyncio

import pytest

from consumers.places import Places

OVER = 1.0
"""Seconds that nothing here takes."""


async def _waiting(places: Places) -> asyncio.Task[bool]:
    """Somebody who has asked by now."""
    task = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    return task


async def test_there_are_so_many_and_the_next_waits_until_one_is_given_back() -> None:
    places = Places(2)
    assert await places.take()
    assert await places.take()
    third = await _waiting(places)
    assert not third.done()

    places.give_back()

    async with asyncio.timeout(OVER):
        assert await third
    assert places.free == 0


async def test_whoever_asked_first_is_first() -> None:
    places = Places(0)
    first, second = await _waiting(places), await _waiting(places)

    places.give_back()

    async with asyncio.timeout(OVER):
        assert await first
    assert not second.done()


async def test_who_gave_up_waiting_takes_none() -> None:
    places = Places(0)
    gone, waiting = await _waiting(places), await _waiting(places)
    gone.cancel()

    places.give_back()

    async with asyncio.timeout(OVER):
        assert await waiting


async def test_who_is_cancelled_with_a_place_in_hand_gives_it_to_the_next() -> None:
    places = Places(0)
    cancelled, waiting = await _waiting(places), await _waiting(places)

    places.give_back()
    cancelled.cancel()

    with pytest.raises(asyncio.CancelledError):
        await cancelled
    async with asyncio.timeout(OVER):
        assert await waiting


async def test_once_closed_nobody_gets_one() -> None:
    places = Places(1)
    assert await places.take()
    waiting = await _waiting(places)

    places.close()

    async with asyncio.timeout(OVER):
        assert not await waiting
    places.give_back()
    assert not await places.take()
