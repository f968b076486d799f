"""What has been said about crashes, so that one that never ends does not flood a terminal."""

import re
from collections import Counter

FORGET_SECONDS = 3600.0


class Complaints:
    """The same reason is worth saying the 1st, 2nd, 4th, 8th … time; after an hour without it, it is news again."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._seen: dict[str, float] = {}

    def worth_saying(self, words: str, now: float) -> str | None:
        """The words, with how often they were true when that is not the first time; None to be silent.

        Numbers make no difference: they are process ids, times and addresses.
        """
        reason = re.sub(r"\d+", "#", words)
        if now - self._seen.get(reason, now) > FORGET_SECONDS:
            del self._times[reason]
        self._seen[reason] = now
        self._times[reason] += 1
        times = self._times[reason]
        if times & (times - 1):  # not a power of two
            return None
        return words if times == 1 else f"{words}; {times} times so far"
