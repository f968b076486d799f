"""What the tests of supervision share: tiny programs, and ways to see who is alive."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from infra.supervision.program import Program

SETTLED_SECONDS = 15.0
FOREVER = "import time; time.sleep(3600)"


def a_program(directory: Path, code: str = FOREVER, name: str = "sleeper", **changes: object) -> Program:
    """A Python one-liner as a program whose log lies in `directory`."""
    values: dict[str, object] = {
        "name": name,
        "argv": (sys.executable, "-I", "-S", "-c", code),
        "log": directory / f"{name}.log",
        "env": dict(os.environ),
        "grace": 2,
        **changes,
    }
    return Program(**values)  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    """A zombie, which only awaits its parent, is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, or fail after `SETTLED_SECONDS`."""
    async with asyncio.timeout(SETTLED_SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.02)
