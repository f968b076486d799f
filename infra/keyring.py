"""The keys of one kind: the first one makes, all of them open. Those of a file are followed while it is rotated."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from pyseto import KeyInterface

from infra import keyfile, paserk
from infra.paserk import BadKey
from infra.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks at a file."""
Stamp = tuple[int, ...]


class KeyRing:
    def __init__(self, text: str, read: Callable[[str], KeyInterface], *, file: Path | None = None) -> None:
        """`read` makes a key of a PASERK. Raises BadKey."""
        self._read, self._file = read, file
        self._keys = self._parsed(text)
        self._stamp: Stamp | None = ()
        self._next_look = time.monotonic() + LOOK_EVERY

    @property
    def current(self) -> KeyInterface:
        return self.keys[0]

    @property
    def keys(self) -> list[KeyInterface]:
        """The newest first."""
        if self._file is not None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            self._follow(self._file)
        return self._keys

    def _follow(self, file: Path) -> None:
        """What is unreadable or wrong is told once, and changes nothing."""
        stamp = _stamp(file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = self._parsed(file.read_text(encoding="utf-8", errors="replace"))
        except (OSError, BadKey) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            log.warning("keys.not_followed", file=str(file), error=reason)

    def _parsed(self, text: str) -> list[KeyInterface]:
        keys = [self._read(entry.paserk) for entry in keyfile.entries(text)]
        if not keys:
            raise BadKey("holds no key")
        return keys


def local_keys(settings: Settings) -> KeyRing:
    """For what only we read: access tokens and kept answers. Raises SettingsError."""
    return _ring("local", settings.local_key, settings.local_key_file, paserk.local_key)


def secret_keys(settings: Settings) -> KeyRing:
    """For what anybody can verify: service tokens. Raises SettingsError."""
    return _ring("secret", settings.secret_key, settings.secret_key_file, paserk.secret_key)


def _ring(kind: str, text: str | None, file: str | None, read: Callable[[str], KeyInterface]) -> KeyRing:
    name = f"WAYBILL_{kind.upper()}_KEY"
    if text is None:
        raise SettingsError(f"{name} is not set; `waybill keys generate {kind}` makes one")
    try:
        return KeyRing(text, read, file=None if file is None else Path(file))
    except BadKey as error:
        raise SettingsError(f"{name} {error}; `waybill keys generate {kind}` makes one") from None


def _stamp(file: Path) -> Stamp | None:
    """Changes whenever the file does, or when it can be read again."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
