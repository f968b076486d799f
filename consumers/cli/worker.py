"""`waybill worker`."""

import socket

import click

from infra.garbage import load_undisturbed, settle
from infra.listening import monitor_options
from outbox.cli.completion import consumers


@click.command()
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    shell_complete=consumers,
    help="Run this consumer alone; may be given several times.",
)
@monitor_options
def worker(only: tuple[str, ...], monitor: socket.socket | None) -> None:
    """Run the consumers until SIGTERM, then finish what is being handled and hand back the rest."""
    load_undisturbed()
    import uvloop

    from consumers.app import UnknownConsumer, Worker
    from infra.readiness import services_monitored
    from infra.starting import configured

    settings = configured("worker")
    settle()

    async def run() -> None:
        running = Worker(settings, only)
        async with services_monitored(monitor, settings, running.stop):
            await running.run()

    try:
        uvloop.run(run())
    except UnknownConsumer as error:
        raise click.UsageError(str(error)) from None
