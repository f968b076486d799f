"""Where a process listens: sockets are taken before anything else is started, so that a taken port is one line."""

import functools
import socket
from collections.abc import Callable
from typing import Any

import click


def bound(host: str, port: int) -> socket.socket:
    """A socket that nobody else can take. Raises ClickException."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise click.ClickException(f"{host}:{port} cannot be listened on: {error.strerror or error}") from None
    return listener


def monitor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--monitor-port` and `--monitor-host`; the command gets `monitor`, a socket or None."""

    @click.option(
        "--monitor-port", type=click.IntRange(0, 65535), metavar="N", help="Serve /metrics and /health/… there."
    )
    @click.option("--monitor-host", default="127.0.0.1", show_default=True, help="Who can reach them.")
    @functools.wraps(command)
    def with_monitor(*args: Any, monitor_host: str, monitor_port: int | None, **options: Any) -> Any:
        monitor = None if monitor_port is None else bound(monitor_host, monitor_port)
        return command(*args, monitor=monitor, **options)

    return with_monitor
