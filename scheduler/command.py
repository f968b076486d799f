"""`waybill scheduler`."""

import socket

import click

from infra.garbage import load_undisturbed, settle
from infra.listening import monitor_options


@click.command()
@monitor_options
def scheduler(monitor: socket.socket | None) -> None:
    """Announce hourly and daily what is due, until SIGTERM. Several may run: each tick is announced once."""
    load_undisturbed()
    import uvloop

    from infra.settings import load_settings
    from infra.telemetry import configure_logging
    from infra.tracing import configure_tracing
    from scheduler.app import run_until_signalled

    settings = load_settings()
    configure_logging(settings.log_format)
    configure_tracing("scheduler")
    settle()
    uvloop.run(run_until_signalled(settings, monitor))
