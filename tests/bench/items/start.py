"""`waybill up` until everything is ready, on a data dir that has run before."""

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.item import Sides, at_most, item
from tests.bench.place import Place


async def prepare(place: Place) -> None:
    await _started(_data_dir(place))


@item(at_most(6, "ours"), unit="s", higher_is_better=False, rounds=3, seconds=25, prepare=prepare)
@asynccontextmanager
async def start(place: Place) -> AsyncIterator[Sides]:
    async def ours() -> float:
        return await _started(_data_dir(place))

    yield Sides(ours=ours)


def _data_dir(place: Place) -> Path:
    return place.directory / "start"


async def _started(data_dir: Path) -> float:
    """Seconds from the command to the line that says where it is; then it is stopped."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "AWS_"))}
    arguments = ("-m", "waybill", "up", "--json", "--data-dir", str(data_dir), "--port", str(_free_port()))
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=env, stdout=PIPE, stderr=DEVNULL)
    assert process.stdout is not None
    if not await process.stdout.readline():
        raise RuntimeError(f"`waybill {' '.join(arguments[2:])}` has ended instead of starting")
    took = time.perf_counter() - began
    process.send_signal(signal.SIGINT)
    await process.wait()
    return took


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
