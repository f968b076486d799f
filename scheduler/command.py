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

    from infra.starting import configured
    from scheduler.app import run_until_signalled

    settings = configured("scheduler")
    settle()
    uvloop.run(run_until_signalled(settings, monitor))
