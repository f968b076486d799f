"""`waybill relay`."""

import asyncio
import signal
import sys

import click

STOP_SECONDS = 9.0


@click.command()
def relay() -> None:
    """Turn the outbox into Redis Streams until SIGTERM. Any number may run at once."""
    import structlog
    import uvloop

    from domain.catalogue import STREAMS
    from infra import streams
    from infra.settings import load_settings
    from infra.telemetry import configure_logging
    from infra.waiting import end_within
    from outbox.relay import StreamAhead, run

    settings = load_settings()
    configure_logging(settings.log_format)
    log = structlog.get_logger("outbox.relay")

    async def relaying() -> None:
        stop = asyncio.Event()

        def end() -> None:
            stop.set()
            end_within(STOP_SECONDS)

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end)
        redis = streams.connect(settings.redis_url)
        try:
            log.info("relay.ready", streams=STREAMS)
            await run(settings.database_url, redis, STREAMS, stop)
        finally:
            await redis.aclose()
        log.info("relay.stopped")

    try:
        uvloop.run(relaying())
    except StreamAhead as error:
        click.echo(f"waybill relay: {error}", err=True)
        sys.exit(1)
