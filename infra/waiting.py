"""Waiting that ends early: at a stop, or when something happens."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


async def pause(until: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until the event is set."""
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return


def on_signals(drain: Callable[[], object]) -> None:
    """The first SIGTERM or SIGINT drains, the second ends this process at once: nothing is lost by it either."""
    asked = False

    def interrupted() -> None:
        nonlocal asked
        if asked:
            end_now()
        asked = True
        drain()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, interrupted)


def end_now() -> None:
    log.warning("process.hurried")
    os._exit(0)


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
