"""`waybill api`."""

import contextlib
import resource
import signal
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from infra.garbage import load_undisturbed, settle
from infra.listening import bound

if TYPE_CHECKING:
    import uvicorn
    from litestar import Litestar

    from infra.settings import Settings

ALLOCATIONS = 10_000
"""Of a request or a few: Python looks for garbage after so many."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def api(host: str, port: int) -> None:
    """Serve the HTTP API until SIGTERM, then finish the requests that are running."""
    load_undisturbed()
    from api.app import create_app
    from infra.starting import configured

    settings = configured("api")
    app = create_app(settings)
    # uvicorn raises the signal that ended it once more when it is done; by then there is nothing left to end.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    _open_many_files()
    server = _server(app, settings)
    try:
        server.run(sockets=[bound(host, port)])
    except Exception as error:
        raise click.ClickException(f"the API ended: {error}") from error
    if not server.started:
        raise click.ClickException("the API could not start; the log says why")


def _server(app: "Litestar", settings: "Settings") -> "uvicorn.Server":
    import uvicorn

    from infra.waiting import end_now

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """The second signal, of either kind, does not wait."""
            if self.should_exit:
                end_now()
            super().handle_exit(sig, frame)

        async def startup(self, *arguments: Any, **options: Any) -> None:
            """What has been loaded by now is all there is to load."""
            await super().startup(*arguments, **options)
            settle(ALLOCATIONS)

        async def shutdown(self, *arguments: Any, **options: Any) -> None:
            """Streams first: the server waits for the end of every answer, and they have none of their own."""
            if live := getattr(app.state, "streams", None):
                live.stop()
            await super().shutdown(*arguments, **options)

    return Server(server_config(app, settings))


def _open_many_files() -> None:
    """As many as we may: each stream is one, and many a shell begins with 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS calls "unlimited" what it then refuses
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def server_config(app: "Litestar", settings: "Settings") -> "uvicorn.Config":
    """How uvicorn serves it. The environment's FORWARDED_ALLOW_IPS is not asked."""
    import uvicorn

    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=8,
        backlog=2048,
    )
