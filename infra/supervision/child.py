"""One program as a child process: started until ready, stopped within its grace, registered with the guard."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from pathlib import Path

from infra.supervision import guard, last_words
from infra.supervision.program import Program, ProgramError

LOG_LIMIT = 10 * 1024 * 1024
POLL_SECONDS = 0.02
OWN_DIRECTORY = "/proc/self/cwd"
"""What Postgres calls its data directory when its user cannot walk there (postgres_user.py)."""
LAUNCHER = (sys.executable, "-I", "-S", guard.__file__)


class Guard:
    """The parent's end of the guard process: closing the pipe, as every death does, ends what is registered."""

    def __init__(self, keep_open: tuple[int, ...] = ()) -> None:
        """The guard holds `keep_open` until the last child is gone; a lock, for instance."""
        self._process = subprocess.Popen(  # noqa: S603 - our own file, by path
            [*LAUNCHER, "watch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            pass_fds=keep_open,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def pipe(self) -> int:
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        return self._process.stdin.fileno()

    def forget(self, pid: int) -> None:
        """A reaped child's pid may soon be somebody else's."""
        with contextlib.suppress(OSError):
            os.write(self.pipe, b"-%d\n" % pid)

    async def close(self) -> None:
        """End what is still registered; returns when it is gone."""
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        await asyncio.to_thread(self._process.wait)


class Child:
    """A running program."""

    def __init__(self, program: Program, process: Process, guarded_by: Guard, log_start: int) -> None:
        self.program = program
        self.pid = process.pid
        self._process = process
        self._guard = guarded_by
        self._log_start = log_start
        self.ended = asyncio.ensure_future(self._reap())
        """Its exit code, negative for a signal."""

    @classmethod
    async def spawn(cls, program: Program, guarded_by: Guard) -> "Child":
        log_start = _roll(program.log)
        with program.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *_launch(program, guarded_by),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(program.env),
                cwd=program.cwd,
                start_new_session=True,  # a Ctrl-C on the terminal is for the parent alone
                pass_fds=(guarded_by.pipe,),
            )
        return cls(program, process, guarded_by, log_start)

    async def until_ready(self) -> None:
        """Wait for the program's own check.

        Raises:
            ProgramError: if it ends first, takes longer than `ready_within`, or its check has given up.

        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.program.ready_within):
                while not self.ended.done():
                    if self.program.ready is None or await self.program.ready():
                        return
                    await asyncio.wait([self.ended], timeout=POLL_SECONDS)
        raise ProgramError(self.last_words())

    async def until_done(self) -> None:
        """Wait for its own end.

        Raises:
            ProgramError: if it fails, or takes longer than `ready_within`.

        """
        await asyncio.wait([self.ended], timeout=self.program.ready_within)
        if not self.ended.done() or self.ended.result():
            raise ProgramError(self.last_words())

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask, wait for its grace or until `hurry` is set, then kill."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.program.stop_signal)
            hurried = asyncio.ensure_future(hurry.wait())
            await asyncio.wait([self.ended, hurried], timeout=self.program.grace, return_when=asyncio.FIRST_COMPLETED)
            hurried.cancel()
        if not self.ended.done():
            _kill_group(self.pid, self.program.kill_signal)
            await asyncio.wait([self.ended], timeout=self.program.grace)
        if not self.ended.done():
            _kill_group(self.pid, signal.SIGKILL)
        await asyncio.shield(self.ended)

    def log_tail(self) -> list[str]:
        """The last lines of this run."""
        return last_words.tail(self.program.log, self._log_start)

    def last_words(self) -> str:
        """One line: how it ended, or that it is not ready, why by its log, and what to do where that is known."""
        lines = self.log_tail()
        reason = last_words.reason(lines).replace(OWN_DIRECTORY, str(self.program.cwd))
        advice = next((text for sign, text in self.program.advice.items() if re.search(sign, reason)), "")
        if last_words.tells_of_a_full_disk(lines, self.program.log):
            advice = f"the disk of {self.program.log.parent} is full: free some space"
        words = f"{self.program.name} {self._fate()} ({reason or f'nothing in {self.program.log}'})"
        return f"{words}; {advice}" if advice else words

    def _fate(self) -> str:
        if not self.ended.done():
            return f"was not ready after {self.program.ready_within:g} s"
        code = self.ended.result()
        return f"exited with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    async def _reap(self) -> int:
        code = await self._process.wait()
        _kill_group(self.pid, signal.SIGKILL)  # what it started itself and left behind
        self._guard.forget(self.pid)
        return code


def _launch(program: Program, guarded_by: Guard) -> tuple[str, ...]:
    numbers = (guarded_by.pipe, program.stop_signal, program.kill_signal, *(program.owner or (-1, -1)))
    return (*LAUNCHER, "run", *(str(int(number)) for number in numbers), *program.argv)


def _roll(log: Path) -> int:
    """Keep one older log of at most `LOG_LIMIT` bytes; returns where this run's output begins."""
    log.parent.mkdir(parents=True, exist_ok=True)
    size = log.stat().st_size if log.exists() else 0
    if size <= LOG_LIMIT:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
