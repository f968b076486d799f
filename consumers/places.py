"""Places for so many at once, taken in the order in which they were asked for, until nobody may begin any more."""

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass
class Places:
    """Whoever gives one back hands it to the next, so that it is not empty for long."""

    free: int
    is_closed: bool = False
    _waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)

    async def take(self) -> bool:
        """Wait for one; False where nobody may begin any more."""
        if self.is_closed:
            return False
        if self.free:
            self.free -= 1
            return True
        self._waiting.append(place := asyncio.get_running_loop().create_future())
        try:
            return bool(await place)
        except asyncio.CancelledError:
            if not place.cancelled() and place.result():
                self.give_back()
            raise

    def give_back(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(True)
                return
        self.free += 1

    def close(self) -> None:
        """Who waits waits no longer."""
        self.is_closed = True
        for place in self._waiting:
            if not place.done():
                place.set_result(False)
        self._waiting.clear()
