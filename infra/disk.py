"""How much room a directory's disk has left."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024
LEAST_FREE_BYTES = 256 * MIB
"""A new data dir takes 50 MiB, and Postgres, out of room for its next 16 MiB of log, ends all sessions."""
WATCH_SECONDS = 5.0


class DiskFullError(Exception):
    """The text says in one line how much there is, how much is wanted and where."""


def free_bytes(directory: Path) -> int:
    """What others than root may still write; a directory that is gone is no full disk."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return 2**63


def check(directory: Path, least: int) -> None:
    """Whether there is room to start.

    Raises:
        DiskFullError: if less than `least` bytes are free.

    """
    free = free_bytes(directory)
    if free < least:
        raise DiskFullError(
            f"the disk of {directory} has {free // MIB} MiB left, and {least // MIB} MiB are wanted: "
            "free some space, or choose another place with --data-dir"
        )


async def watch(directory: Path, say: Callable[[str], None], every: float = WATCH_SECONDS) -> None:
    """Say when the disk is nearly full, and when there is room again: services refuse quietly, and seldom crash."""
    low = False
    while True:
        free = free_bytes(directory)
        if not low and free < LEAST_FREE_BYTES // 4:
            low = True
            say(f"the disk of {directory} has only {free // MIB} MiB left: free some space, or uploads will be refused")
        elif low and free > LEAST_FREE_BYTES // 2:
            low = False
            say(f"the disk of {directory} has room again: {free // MIB} MiB")
        await asyncio.sleep(every)
