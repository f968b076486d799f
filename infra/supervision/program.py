"""What can be run and supervised, as a value."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class ProgramError(Exception):
    """A program cannot go on; the text is one line with its name, its end, its last words and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What to run. Times in seconds; `env` is the whole environment of the child; `owner` is (uid, gid).

    `ready` may raise a ProgramError when waiting is of no use. `advice` is what to do, by a pattern of the reason
    that calls for it. `mend` gets the end of a failed run's log, and says what it did so that the next may not fail.
    """

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
    advice: Mapping[str, str] = field(default_factory=dict)
    mend: Callable[[str], str | None] | None = None
