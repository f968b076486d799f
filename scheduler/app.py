"""`waybill scheduler`: Rocketry says when; what is due travels through the outbox like any other event."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable

import click
import structlog
from rocketry import Rocketry
from rocketry.conds import daily, hourly
from sqlalchemy.exc import SQLAlchemyError

from infra.database import DatabaseUnreachable, create_engine
from infra.failpoints import failpoint
from infra.listening import monitor_options
from infra.monitoring import services_monitored
from infra.settings import Settings, load_settings
from infra.telemetry import configure_logging, one_line
from infra.waiting import end_within, pause
from outbox.session import session_factory
from scheduler.jobs import announce_expiry, announce_retention

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2.0
STOP_SECONDS = 9.0


@click.command()
@monitor_options
def scheduler(monitor: socket.socket | None) -> None:
    """Announce hourly and daily what is due, until SIGTERM. Several may run: each tick is announced once."""
    import uvloop

    settings = load_settings()
    configure_logging(settings.log_format)
    uvloop.run(run_until_signalled(settings, monitor))


async def run_until_signalled(settings: Settings, monitor: socket.socket | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with services_monitored(monitor, settings, stop, redis=False):
        await run(settings.database_url, stop)


async def run(database_url: str, stop: asyncio.Event) -> None:
    """Announce until told to stop."""
    engine = create_engine(database_url, application_name="waybill-scheduler", pool_size=2)
    sessions = session_factory(engine)
    app = Rocketry(execution="async", config={"silence_task_prerun": True, "silence_task_logging": True})

    async def expiry() -> None:
        await _until_announced("expiry.due", lambda: announce_expiry(sessions), stop)

    async def retention() -> None:
        await _until_announced("retention.due", lambda: announce_retention(sessions), stop)

    # Rocketry runs `hourly` at once when it starts, and then each hour: an hour missed while we were down is caught up.
    app.task(hourly, name="expiry")(expiry)
    app.task(daily, name="retention")(retention)
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


async def _until_announced(tick: str, announce: Callable[[], Awaitable[bool]], stop: asyncio.Event) -> None:
    """A tick is not lost to a Postgres that is away for a while."""
    while not stop.is_set():
        try:
            first = await announce()
            failpoint("scheduler.after_announce")
        except (SQLAlchemyError, DatabaseUnreachable) as error:
            log.warning("scheduler.postgres_unreachable", tick=tick, error=one_line(error))
            await pause(stop, RETRY_SECONDS)
        else:
            log.info("scheduler.announced", tick=tick, first=first)
            return
