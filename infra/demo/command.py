"""`waybill demo`."""

import asyncio
import io
import signal
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console

from infra.demo.outcome import DemoFailed
from infra.demo.report import Report
from infra.up.command import data_dir_option, json_option


def _address(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Without the slash that a pasted address may end with."""
    try:
        good = value is None or (urlsplit(value).scheme in {"http", "https"} and bool(urlsplit(value).hostname))
    except ValueError:
        good = False
    if not good:
        raise click.BadParameter("give an address like http://127.0.0.1:8000")
    return value and value.rstrip("/")


@click.command()
@data_dir_option
@click.option("--url", callback=_address, help="Of a running Waybill; without it the data dir's stack is used.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of a stack that has to be started; any free one without.")
@json_option
def demo(data_dir: Path, url: str | None, port: int | None, as_json: bool) -> None:
    """Send real files all the way and compare the bytes; starts a stack if none is running."""
    try:
        import httpx  # noqa: F401 - asked for before anything is started
    except ImportError:
        raise click.ClickException("the demo needs the package httpx (uv sync --group embedded)") from None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # not every terminal can show every file's name
    report = Report(Console(highlight=False, quiet=as_json))
    failure = None
    try:
        asyncio.run(_run(data_dir, url, port, report))
    except asyncio.CancelledError:
        raise click.Abort from None
    except DemoFailed as failed:
        failure = str(failed)
    if as_json:
        click.echo(report.as_json(failure))
    if failure is not None:
        raise click.ClickException(failure)


async def _run(data_dir: Path, url: str | None, port: int | None, report: Report) -> None:
    from infra.demo.journey import travel
    from infra.demo.stack import somewhere

    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # end as tidily as on Ctrl-C
    with tempfile.TemporaryDirectory(prefix="waybill-demo-") as directory:
        async with somewhere(url, data_dir, port, report) as address:
            await travel(address, Path(directory), report, maildir=data_dir / "mail" if url is None else None)
    report.summary(address)
