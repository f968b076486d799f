"""Two real schedulers, whose clocks stand right before an hour; one of them is killed, and comes again after it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from domain.schedule.events import ExpiryDue
from tests.database import Database

RUN = """
import sys, time_machine, scheduler.app, waybill
clock, sys.argv = sys.argv[1], ["waybill", "scheduler"]
with time_machine.travel(clock, tick=True):
    waybill.main()
"""
BEFORE_ONE, AFTER_ONE = "2026-11-22T00:59:55Z", "2026-11-22T01:00:01Z"
"""The first is early enough to start and announce in."""
PATIENCE = 30.0
TICKS = 4


@asynccontextmanager
async def scheduler(clock: str, environment: Mapping[str, str]) -> AsyncIterator[Process]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")} | dict(environment)
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, clock, env=env, stderr=PIPE)
    yield running
    if running.returncode is None:
        running.terminate()
    await asyncio.wait_for(running.communicate(), PATIENCE)


async def announced(running: Process, times: int) -> None:
    """As its log tells, whether it was the first to do so or not."""
    assert running.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while times:
            line = await running.stderr.readline()
            assert line, "it has ended"
            times -= b"scheduler.announced" in line


@pytest.mark.timeout(180)
async def test_two_schedulers_one_killed_before_the_hour_and_back_after_it_announce_each_hour_once(
    environment: Mapping[str, str], database: Database
) -> None:
    async with scheduler(BEFORE_ONE, environment) as one, scheduler(BEFORE_ONE, environment) as other:
        await asyncio.gather(announced(one, TICKS), announced(other, TICKS))
        one.send_signal(signal.SIGKILL)
        await one.wait()
        await announced(other, 2)
        async with scheduler(AFTER_ONE, environment) as again:
            await announced(again, TICKS)

    hours = [event.due_at.hour for event in await database.recorded() if isinstance(event, ExpiryDue)]
    assert hours == [0, 1]
    assert (other.returncode, again.returncode) == (0, 0)
