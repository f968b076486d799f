"""Who may be what ends this process is tried alone in it, and so harms nobody but itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.waiting import pause


class Solitude:
    """Shared by all consumers of a process: either many are at work, or one is."""

    def __init__(self) -> None:
        self._gate = asyncio.Lock()
        self._at_work = 0
        self._nobody = asyncio.Event()
        self._nobody.set()

    @asynccontextmanager
    async def among_others(self) -> AsyncIterator[None]:
        async with self._gate:
            pass  # whoever is alone holds it
        self._at_work += 1
        self._nobody.clear()
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._nobody.set()

    @asynccontextmanager
    async def alone(self, *, within: float) -> AsyncIterator[None]:
        """Nobody else begins inside; those who are at work have `within` seconds to end, and are not waited for then.

        A file of gigabytes may take longer than anybody should wait.
        """
        async with self._gate:
            await pause(self._nobody, within)
            yield
