"""Where an embedded stack keeps its files: private, locked while in use, and with names short enough for sockets."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from infra import disk

Port = Annotated[int, Meta(ge=1, le=65535)]
SOCKET_PATH_LIMIT = 103
"""Bytes of a Unix socket's path: 107 on Linux, 103 on macOS."""
LONGEST_SOCKET = "postgres/.s.PGSQL.5432"
AFTERMATH_SECONDS = 10.0
"""How long the guard of a killed stack may need to end its children, and more."""


class DataDirError(Exception):
    """The directory cannot carry a stack; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """An absolute path, prepared by `DataDir.prepare`."""

    path: Path

    @classmethod
    def prepare(cls, path: Path, least_free: int = disk.LEAST_FREE_BYTES) -> "DataDir":
        """Create it for the owner alone; an existing directory keeps its mode if it is ours.

        Raises:
            DataDirError: if it is somebody else's, or has not that many bytes left.
            OSError: if it cannot be created or written.

        """
        path = path.absolute()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(path)
        try:
            disk.check(path, least_free)
        except disk.DiskFullError as error:
            raise DataDirError(str(error)) from None
        for name in ("keys", "log", "mail", "s3", "valkey"):
            (path / name).mkdir(mode=0o700, exist_ok=True)
        return cls(path)

    @property
    def is_used(self) -> bool:
        """Whether a stack has run here."""
        return (self.path / "postgres").exists()

    @property
    def way_out(self) -> str:
        """What to do when something in it is damaged for good."""
        return f"restore {self.path} from a backup, or remove it to start over with nothing"

    def log(self, name: str) -> Path:
        return self.path / "log" / f"{name}.log"

    def lock(self) -> int:
        """A descriptor that holds the directory for this process and whoever inherits it.

        Raises:
            DataDirError: if another stack runs there.

        """
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + AFTERMATH_SECONDS
        while not _locked(lock):
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            if (holder.isdigit() and _alive(int(holder))) or time.monotonic() > deadline:
                os.close(lock)
                raise DataDirError(
                    f"{self.path} is in use by another stack (process {holder or 'unknown'}): "
                    "stop that one, or choose another place with --data-dir"
                )
            time.sleep(0.05)  # its process is gone, and its guard is ending the children
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    def port(self, name: str) -> int:
        """The loopback port of `name`: the one it had last time, unless somebody has taken it since."""
        remembered = self.path / "ports.json"
        ports: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):  # a damaged file is as good as none
            ports = msgspec.json.decode(remembered.read_bytes(), type=dict[str, Port])
        if name not in ports or not is_free(ports[name]):
            ports[name] = _free_port(set(ports.values()))
            write_private(remembered, json.dumps(ports))
        return ports[name]

    def for_sockets(self) -> Path:
        """This directory under a name that leaves room for a socket's: itself, or else a short link to it."""
        if len(os.fsencode(self.path / LONGEST_SOCKET)) <= SOCKET_PATH_LIMIT:
            return self.path
        private = self._short_name()
        private.mkdir(mode=0o700, exist_ok=True)
        if private.is_symlink() or private.stat().st_uid != os.getuid():
            raise DataDirError(f"{private} belongs to somebody else; choose a shorter data dir")
        private.chmod(0o700)
        link = private / "d"
        if not link.is_symlink():
            link.symlink_to(self.path)
        return link

    def remove_short_name(self) -> None:
        """Take back the link, if there is one."""
        with contextlib.suppress(OSError):
            (self._short_name() / "d").unlink()
            self._short_name().rmdir()

    def _short_name(self) -> Path:
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"waybill-{os.getuid()}-{name}"


def complaint(error: OSError, data_dir: Path) -> str:
    """One line about a file that the system refused: which one, why, and what to do."""
    what_to_do = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some space",
        errno.EROFS: "choose another place with --data-dir",
        errno.EACCES: "run as the user it belongs to, or choose another place with --data-dir",
        errno.EPERM: "run as the user it belongs to, or choose another place with --data-dir",
        errno.EEXIST: "a directory was expected: move that file out of the way",
        errno.ENOTDIR: "a directory was expected: move that file out of the way",
        errno.EISDIR: "a file was expected: move that directory out of the way",
    }
    inside = f"{error.filename}: " if error.filename not in (None, str(data_dir)) else ""
    place = f"{data_dir} cannot be used as data dir: {inside}{error.strerror}"
    advice = what_to_do.get(error.errno or 0)
    return f"{place}; {advice}" if advice else place


def write_private(path: Path, text: str) -> None:
    """Replace the file as a whole; only its owner can read it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


def _check_owner(path: Path) -> None:
    owner = path.stat().st_uid
    if os.geteuid() not in (0, owner):  # root runs whose stack it likes
        raise DataDirError(f"{path} belongs to user {owner}: run as that user, or choose another with --data-dir")


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
