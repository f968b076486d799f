"""The Waybill that the demo talks to: one that it is told of, one that runs already, or one of its own."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import click

from infra import running
from infra.demo.journey import timed
from infra.demo.outcome import DemoFailed, Done
from infra.demo.report import Report
from infra.services.data_dir import DataDir, DataDirError
from infra.services.objects import listens
from infra.supervision.program import Program, ProgramError
from infra.supervision.supervisor import Supervisor

START_SECONDS = 120.0
STOP_SECONDS = 60.0


@asynccontextmanager
async def somewhere(url: str | None, data_dir: Path, port: int | None, report: Report) -> AsyncIterator[str]:
    """The address of a Waybill: the given one, or else the data dir's, started for as long as the context lasts."""
    address = url or (running.environment(data_dir) or {}).get("WAYBILL_PUBLIC_URL")
    if address is not None:
        yield address
        return
    try:
        async with _own(data_dir, port or _free_port(), report) as address:
            yield address
    except DemoFailed as failed:
        raise DemoFailed(f"{failed} (logs in {data_dir / 'log'})") from failed


@asynccontextmanager
async def _own(data_dir: Path, port: int, report: Report) -> AsyncIterator[str]:
    """It ends with us, however we end."""
    async with Supervisor(report=partial(click.echo, err=True)) as supervisor:
        await timed("start a stack", partial(_start, supervisor, data_dir, port), report)
        yield f"http://127.0.0.1:{port}"
        await timed("stop the stack", partial(_stop, supervisor), report)


async def _start(supervisor: Supervisor, data_dir: Path, port: int) -> Done:
    try:
        log = DataDir.prepare(data_dir).log("up")
        await supervisor.start(_up(data_dir, port, log))
    except (ProgramError, DataDirError) as error:
        raise DemoFailed(str(error)) from None
    return Done(f"in {data_dir}")


async def _stop(supervisor: Supervisor) -> Done:
    await supervisor.stop()
    return Done()


def _up(data_dir: Path, port: int, log: Path) -> Program:
    where = ("--data-dir", str(data_dir.absolute()), "--port", str(port))
    return Program(
        name="up",
        argv=(sys.executable, "-m", "waybill", "up", "--json", *where),
        env=os.environ,
        log=log,
        ready=partial(_is_up, data_dir, port),
        ready_within=START_SECONDS,
        grace=STOP_SECONDS,
        restart=False,
    )


async def _is_up(data_dir: Path, port: int) -> bool:
    """Somebody else may listen there, and a killed stack may have left its announcement: both together are ours."""
    return await listens(port) and running.environment(data_dir) is not None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
