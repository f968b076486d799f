"""`waybill worker`."""

import click


@click.command()
@click.option("--only", multiple=True, metavar="NAME", help="Run this consumer alone; may be given several times.")
def worker(only: tuple[str, ...]) -> None:
    """Run the consumers until SIGTERM, then finish what is being handled and hand back the rest."""
    import uvloop

    from consumers.app import UnknownConsumer, Worker
    from infra.settings import load_settings
    from infra.telemetry import configure_logging

    settings = load_settings()
    configure_logging(settings.log_format)

    async def run() -> None:
        await Worker(settings, only).run()

    try:
        uvloop.run(run())
    except UnknownConsumer as error:
        raise click.UsageError(str(error)) from None
