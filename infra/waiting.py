"""Waiting that ends early: at a stop, or when something happens."""

import asyncio
import os
import threading

import structlog

log = structlog.get_logger(__name__)


async def pause(until: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until the event is set."""
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return


def end_within(seconds: float) -> None:
    """End this process with exit code 0 by then, whatever still hangs: a server that fell silent holds up no stop.

    Nothing is lost by it: what was not finished is taken over when its lease ends.
    """
    timer = threading.Timer(seconds, _end, (seconds,))
    timer.daemon = True
    timer.start()


def _end(seconds: float) -> None:
    log.warning("process.cut_short", after_seconds=seconds)
    os._exit(0)
