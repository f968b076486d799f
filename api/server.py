"""`waybill api`."""

import signal

import click

from infra.listening import bound


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def api(host: str, port: int) -> None:
    """Serve the HTTP API until SIGTERM, then finish the requests that are running."""
    import uvicorn

    from api.app import create_app
    from infra.settings import load_settings
    from infra.telemetry import configure_logging

    settings = load_settings()
    configure_logging(settings.log_format)
    app = create_app(settings)
    # uvicorn raises the signal that ended it once more when it is done; by then there is nothing left to end.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=8,
        backlog=2048,
    )
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[bound(host, port)])
    except Exception as error:
        raise click.ClickException(f"the API ended: {error}") from error
    if not server.started:
        raise click.ClickException("the API could not start; the log says why")
