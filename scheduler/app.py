"""Rocketry says when; what is due travels through the outbox like any other event."""

import asyncio
import socket
from datetime import UTC, timedelta
from functools import partial
from itertools import repeat

import structlog
from rocketry import Rocketry
from rocketry.conds import daily, hourly
from sqlalchemy.exc import SQLAlchemyError

from domain.aggregate import now
from domain.cause import caused_by
from infra.connection import DatabaseUnreachable
from infra.database import create_engine
from infra.failpoints import failpoint
from infra.readiness import services_monitored
from infra.settings import Settings
from infra.telemetry import one_line
from infra.tracing import work
from infra.waiting import end_within, on_signals, pause
from outbox.session import Sessions, session_factory
from scheduler.jobs import DAILY, HOURLY, Job, announce

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2.0
STOP_SECONDS = 9.0
SLACK = timedelta(seconds=1)
"""How long Rocketry may take to note that a task has ended."""
ROCKETRY = {
    "execution": "async",
    "silence_task_prerun": True,
    "silence_task_logging": True,
    "timezone": UTC,  # of its own hours and days; ours are too
    "timeout": timedelta(days=365),  # a task that waits for Postgres is not ended for it
}


async def run_until_signalled(settings: Settings, monitor: socket.socket | None) -> None:
    stop = asyncio.Event()
    on_signals(stop.set)
    async with services_monitored(monitor, settings, stop, redis=False):
        await run(settings.database_url, stop)


async def run(database_url: str, stop: asyncio.Event) -> None:
    """Announce until told to stop."""
    engine = create_engine(database_url, application_name="waybill-scheduler", pool_size=2)
    sessions = session_factory(engine)
    app = Rocketry(config=ROCKETRY)
    # Rocketry runs `hourly` at once when it starts, and then each hour; so also what was missed while we were down.
    for condition, job in [*zip(repeat(hourly), HOURLY), *zip(repeat(daily), DAILY)]:
        app.task(condition, name=job.name)(partial(_until_announced, sessions, job, stop))
    stopping = asyncio.create_task(_shut_down(app, stop))
    log.info("scheduler.ready")
    await app.serve()
    stopping.cancel()
    await engine.dispose()
    log.info("scheduler.stopped")


async def _shut_down(app: Rocketry, stop: asyncio.Event) -> None:
    await stop.wait()
    end_within(STOP_SECONDS)
    app.session.shut_down()


async def _until_announced(sessions: Sessions, job: Job, stop: asyncio.Event) -> None:
    """A tick is not lost to a Postgres that is away or slow for a while.

    Rocketry takes an hour for done in which a task has ended, so this one ends in the hour that it has announced.
    """
    while not stop.is_set():
        announced = job.begin(now())
        try:
            with work(job.name, "PRODUCER", None) as it, caused_by(it.traceparent):
                new = await announce(sessions, job)
            failpoint("scheduler.after_announce")
        except (SQLAlchemyError, DatabaseUnreachable) as error:
            log.warning("scheduler.postgres_unreachable", tick=job.name, error=one_line(error))
            await pause(stop, RETRY_SECONDS)
        else:
            log.info("scheduler.announced", tick=job.name, new=new)
            if job.begin(now() + SLACK) == announced:
                return
            await pause(stop, SLACK.total_seconds())
