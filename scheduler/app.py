"""`waybill scheduler`: Rocketry says when; what is due travels through the outbox like any other event."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial

import click
import structlog

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5.0


@click.command()
def scheduler() -> None:
    """Announce hourly what is due, until SIGTERM. Several may run: each hour is announced once."""
    import uvloop

    from infra.settings import load_settings
    from infra.telemetry import configure_logging

    settings = load_settings()
    configure_logging(settings.log_format)
    uvloop.run(run(settings.database_url))


async def run(database_url: str) -> None:
    """Run until SIGTERM or SIGINT."""
    from rocketry import Rocketry
    from rocketry.conds import hourly

    from infra.database import create_engine
    from outbox.session import session_factory
    from scheduler.jobs import announce_expiry

    engine = create_engine(database_url, application_name="waybill-scheduler", pool_size=2)
    sessions = session_factory(engine)
    app = Rocketry(execution="async", config={"silence_task_prerun": True, "silence_task_logging": True})

    async def expiry() -> None:
        await _until_done("expiry.due", partial(announce_expiry, sessions))

    # Rocketry runs `hourly` at once when it starts, and then each hour: an hour missed while we were down is caught up.
    app.task(hourly, name="expiry")(expiry)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, app.session.shut_down)
    log.info("scheduler.ready")
    await app.serve()
    await engine.dispose()
    log.info("scheduler.stopped")


async def _until_done(name: str, announce: Callable[[], Awaitable[bool]]) -> None:
    """A tick is not lost to a Postgres that is away for a while."""
    from sqlalchemy.exc import SQLAlchemyError

    while True:
        try:
            first = await announce()
        except (SQLAlchemyError, OSError) as error:
            log.warning("scheduler.postgres_unreachable", tick=name, error=str(error).partition("\n")[0])
            await asyncio.sleep(RETRY_SECONDS)
        else:
            log.info("scheduler.announced", tick=name, first=first)
            return
