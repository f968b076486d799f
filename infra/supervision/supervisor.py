"""Child processes that are started by readiness, restarted when they crash and stopped in reverse order."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from infra.supervision.child import Child, Guard
from infra.supervision.complaints import Complaints
from infra.supervision.program import Program, ProgramError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Seconds between a crash and the next start; a run of `stable` seconds is forgiven all that came before.

    Up to `jitter` of each wait is left out, by chance: what fell together need not rise together.
    """

    first: float = 0.2
    factor: float = 2
    limit: float = 30
    stable: float = 30
    jitter: float = 0.2

    def delays(self, failures: int) -> float:
        """How long to wait after that many failures in a row, the first being 1."""
        whole = min(self.limit, self.first * self.factor ** min(failures - 1, 32))
        return whole * (1 - self.jitter * random.random())  # noqa: S311 - nobody gains by guessing it


class Supervisor:
    """Runs programs in tiers: those of one `start` start and stop together, and the tiers stop in reverse order."""

    def __init__(
        self,
        *,
        backoff: Backoff | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        """`report` hears one line about a crash, by default the log; see Complaints for one that repeats."""
        self._backoff = backoff or Backoff()
        self._report = report or log.warning
        self._complaints = Complaints()
        self.keep_open: tuple[int, ...] = ()
        """Descriptors, such as a lock, to hold until the last child is gone, even if this process is killed."""
        self._children: dict[str, Child] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._tiers: list[tuple[str, ...]] = []
        self._hurry = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._guard = Guard(self.keep_open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            await self._guard.close()

    def pid(self, name: str) -> int:
        """The process id of the program's present run."""
        return self._children[name].pid

    async def start(self, *programs: Program) -> None:
        """Start a tier; returns when all of it is ready.

        Raises:
            ProgramError: the first failure; the rest of the tier keeps running until `stop`.

        """
        self._tiers.append(tuple(program.name for program in programs))
        starts = [asyncio.create_task(self._start(program)) for program in programs]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)

    async def run(self, program: Program) -> None:
        """Run a program that ends by itself.

        Raises:
            ProgramError: if it fails, or takes longer than `ready_within`.

        """
        child = await Child.spawn(program, self._guard)
        try:
            await child.until_done()
        finally:
            await child.stop(self._hurry)

    async def stop(self) -> None:
        """Stop all tiers, the last one first."""
        while self._tiers:
            await self.stop_last()

    async def stop_last(self) -> None:
        """Stop the tier that was started last."""
        names = [name for name in self._tiers.pop() if name in self._children]
        watchers = [self._watchers.pop(name) for name in names if name in self._watchers]
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await asyncio.gather(*(self._children.pop(name).stop(self._hurry) for name in names))

    def hurry(self) -> None:
        """Let no stop, now or later, wait for anyone's grace."""
        self._hurry.set()

    async def _start(self, program: Program) -> None:
        child = await self._spawn(program)
        try:
            await child.until_ready()
        except ProgramError:
            if not self._mended(child):
                raise
            child = await self._spawn(program)
            await child.until_ready()
        self._watchers[program.name] = asyncio.create_task(self._watch(child))

    async def _spawn(self, program: Program) -> Child:
        child = self._children[program.name] = await Child.spawn(program, self._guard)
        return child

    async def _watch(self, child: Child) -> None:
        """Start the program again whenever it ends."""
        failures, started = 0, _now()
        while True:
            await asyncio.shield(child.ended)
            if not child.program.restart:
                self._report(child.last_words())
                return
            failures = 1 if _now() - started > self._backoff.stable else failures + 1
            delay = self._backoff.delays(failures)
            if not self._mended(child):
                self._complain(child.last_words(), delay)
            await asyncio.sleep(delay)
            child, started = await self._respawn(child.program), _now()

    async def _respawn(self, program: Program) -> Child:
        """A new run, as soon as the system has room for its process and its log."""
        failures = 0
        while True:
            try:
                return await self._spawn(program)
            except OSError as error:
                failures += 1
                delay = self._backoff.delays(failures)
                self._complain(f"{program.name} cannot be started: {error}", delay)
                await asyncio.sleep(delay)

    def _complain(self, words: str, delay: float) -> None:
        complaint = self._complaints.worth_saying(words, _now())
        if complaint:
            self._report(f"{complaint}; starting it again in {delay:.2g} s")

    def _mended(self, child: Child) -> bool:
        """Whether something was done so that the next run may do better than this one."""
        if child.program.mend is None or not child.ended.done():
            return False
        done = child.program.mend("\n".join(child.log_tail()))
        if done:
            self._report(done)
        return done is not None


def _now() -> float:
    return asyncio.get_running_loop().time()
