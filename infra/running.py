"""How other processes find the stack that runs in a data dir."""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from infra.services.data_dir import write_private

ENVIRONMENT_FILE = "environment.json"


@contextlib.contextmanager
def announced(data_dir: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Inside, `environment` can be found in the data dir, by the owner alone: it holds secrets."""
    file = data_dir / ENVIRONMENT_FILE
    write_private(file, json.dumps(dict(environment), indent=2))
    try:
        yield
    finally:
        withdraw(data_dir)


def withdraw(data_dir: Path) -> None:
    """Remove what a killed stack left behind: the next one holds the lock before it has an address."""
    (data_dir / ENVIRONMENT_FILE).unlink(missing_ok=True)


def environment(data_dir: Path) -> dict[str, str] | None:
    """What was announced there, or None when no stack is running: a killed one leaves its file behind."""
    try:
        with (data_dir / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _announced(data_dir / ENVIRONMENT_FILE)
    except OSError:
        pass
    return None


def _announced(file: Path) -> dict[str, str] | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return None
