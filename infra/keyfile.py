"""Keys as they are configured: one a line, the newest first, and in a comment since when each has been that."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

SINCE = re.compile(r"since (\S+)")


@dataclass(frozen=True)
class Entry:
    paserk: str
    since: datetime | None = None


def entries(text: str) -> list[Entry]:
    """Several may stand on one line, as they have to in an environment variable."""
    found: list[Entry] = []
    for line in text.splitlines():
        keys, _, comment = line.partition("#")
        found += [Entry(paserk, _since(comment)) for paserk in keys.split()]
    return found


def entries_of(file: Path) -> list[Entry]:
    """A first key without a comment has been that since the file was written. Raises OSError."""
    found = entries(file.read_text(encoding="utf-8", errors="replace"))
    if found and found[0].since is None:
        found[0] = replace(found[0], since=datetime.fromtimestamp(file.stat().st_mtime, UTC))
    return found


def rotate(file: Path, fresh: str, *, keep_for: timedelta | None) -> None:
    """Put a new key first; older ones stay for `keep_for` after they were the first, or not at all. Raises OSError."""
    file = file.resolve()  # a link stays a link
    moment = datetime.now(UTC).replace(microsecond=0)
    with _alone(file.parent):
        found = [Entry(fresh, moment), *entries_of(file)]
        kept = [] if keep_for is None else [e for new, e in pairwise(found) if _is_needed(new.since, moment - keep_for)]
        _replace(file, [found[0], *kept])


def _since(comment: str) -> datetime | None:
    with contextlib.suppress(ValueError):
        if found := SINCE.search(comment):
            return datetime.fromisoformat(found[1]).astimezone(UTC)
    return None


def _is_needed(retired: datetime | None, limit: datetime) -> bool:
    """Also where nobody knows since when it is not the first any more."""
    return retired is None or retired > limit


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Of two who rotate at once the second one waits, and keeps what the first one made."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, kept: Sequence[Entry]) -> None:
    """As a whole, with the owner and no wider mode than before: nobody ever reads half of it."""
    before, fresh = file.stat(), file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(fresh, before.st_uid, before.st_gid)
        os.fchmod(out.fileno(), before.st_mode & 0o777)
        out.writelines(_line(entry) for entry in kept)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)


def _line(entry: Entry) -> str:
    return entry.paserk + (f"  # since {entry.since.isoformat()}" if entry.since else "") + "\n"
