"""This machine: its versions, and the room on its disks."""

import platform
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from infra.doctor.line import Line, fail, ok, warn
from infra.settings import data_dir

MIB = 1024 * 1024
LITTLE, LEAST = 1024 * MIB, 256 * MIB
KNOWN = ((3, 11), (3, 13))
LIBRARIES = ("litestar", "faststream", "sqlalchemy", "asyncpg", "redis", "aioboto3", "rocketry", "pydantic")


async def disk() -> list[Line]:
    """Of the embedded stack, where there is one, and of temporary files."""
    return [_room(path) for path in dict.fromkeys((data_dir().resolve(), Path(tempfile.gettempdir()))) if path.exists()]


async def versions() -> list[Line]:
    python = platform.python_version()
    lines = [ok("versions", f"waybill {version('waybill')}, Python {python}")]
    if not KNOWN[0] <= sys.version_info[:2] <= KNOWN[1]:
        lines = [warn("versions", f"Python {python}", "use Python 3.11, 3.12 or 3.13: others were not tried")]
    return [*lines, ok("versions", ", ".join(f"{name} {version(name)}" for name in LIBRARIES))]


def _room(path: Path) -> Line:
    free = shutil.disk_usage(path).free
    said = f"{path} has {free // MIB} MiB left"
    if free < LEAST:
        return fail("disk", said, "free some space: Postgres stops when there is none")
    return warn("disk", said, "free some space") if free < LITTLE else ok("disk", said)
