"""`waybill relay`."""

import asyncio
import socket

import click

from infra.garbage import load_undisturbed, settle
from infra.listening import monitor_options

STOP_SECONDS = 9.0


@click.command()
@monitor_options
def relay(monitor: socket.socket | None) -> None:
    """Turn the outbox into Redis Streams until SIGTERM. Any number may run at once."""
    load_undisturbed()
    import structlog
    import uvloop

    from domain.catalogue import STREAMS
    from infra import streams
    from infra.monitoring import monitored
    from infra.starting import configured
    from infra.waiting import end_within, on_signals
    from outbox.relay import StreamAhead, run
    from outbox.relay_health import RelayHealth
    from outbox.relay_metrics import view

    settings = configured("relay")
    settle()
    log = structlog.get_logger("outbox.relay")

    async def relaying() -> None:
        stop = asyncio.Event()

        def end() -> None:
            stop.set()
            end_within(STOP_SECONDS)

        on_signals(end)
        redis, health = streams.connect(settings.redis_url), RelayHealth()
        try:
            async with monitored(monitor, view(health, settings.database_url, redis, STREAMS)):
                log.info("relay.ready", streams=STREAMS)
                await run(settings.database_url, redis, STREAMS, stop, health)
        finally:
            await redis.aclose()
        log.info("relay.stopped")

    try:
        uvloop.run(relaying())
    except StreamAhead as error:
        raise click.ClickException(str(error)) from None
