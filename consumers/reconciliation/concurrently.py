"""What waits for S3 is done a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
AT_ONCE = 16


async def concurrently(action: Callable[[A], Awaitable[B]], items: Iterable[A]) -> list[B]:
    """The results in the order of the items. All are tried; raises what was raised first among them."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(item: A) -> B:
        async with places:
            return await action(item)

    done = await asyncio.gather(*map(one, items), return_exceptions=True)
    return [_result(each) for each in done]


def _result(done: B | BaseException) -> B:
    if isinstance(done, BaseException):
        raise done
    return done
