"""Where a stack for tests keeps its files: in memory where there is room, since each test makes a database."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - only what this process makes there, readable by itself alone
PREFIX = "waybill-tests-"
ROOM = 4 * 1024**3
"""Bytes that must be free there. A container has 64 MiB by default; then the disk does as well, more slowly."""


@contextmanager
def directory(name: str, *, otherwise: Path) -> Iterator[Path]:
    """A directory that is gone afterwards; what a killed run left behind goes too."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield otherwise
        return
    for left in MEMORY.glob(f"{PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(PREFIX).partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    made = MEMORY / f"{PREFIX}{os.getpid()}-{name}"
    made.mkdir(mode=0o755)  # Postgres may run as another user
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
