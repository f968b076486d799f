"""What can be run and supervised, as a value."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


class ProgramError(Exception):
    """A program did not become ready; the text is one line with its name, its end and its last words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What to run. Times in seconds; `env` is the whole environment of the child; `owner` is (uid, gid)."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str]
    cwd: Path | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_within: float = 30
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL
    grace: float = 10
    owner: tuple[int, int] | None = None
    restart: bool = True
