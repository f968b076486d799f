"""`waybill up` and `waybill env`: everything on one machine, and how another shell finds it."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from infra import disk, running
from infra.embedded import EmbeddedStack, StackError
from infra.services.data_dir import complaint, is_free
from infra.services.objects import listens
from infra.settings import DATA_DIR_VARIABLE, DEFAULT_DATA_DIR, PREFIX, load_settings
from infra.supervision.program import ProgramError
from infra.up.processes import Programs
from infra.up.welcome import Welcome

PUBLIC_URL = f"{PREFIX}PUBLIC_URL"
LOOPBACK = "http://127.0.0.1:"
MIGRATION_SECONDS = 3600.0

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar=DATA_DIR_VARIABLE,
    default=DEFAULT_DATA_DIR,
    show_default=True,
    help="Where everything is kept.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text for people.")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    data_dir: Path
    port: int
    workers: int
    as_json: bool

    @property
    def url(self) -> str:
        return f"{LOOPBACK}{self.port}"


@click.command()
@data_dir_option
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Of the API.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Consumer processes.")
@json_option
def up(data_dir: Path, port: int, workers: int, as_json: bool) -> None:
    """Run everything on this machine, embedded services included, until Ctrl-C."""
    options = Options(data_dir, port, workers, as_json)
    _check_settings()
    try:
        asyncio.run(_until_signalled(options))
    except (StackError, ProgramError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(complaint(error, data_dir.absolute())) from None


@click.command()
@data_dir_option
@json_option
def env(data_dir: Path, as_json: bool) -> None:
    """Print export lines of the stack in the data dir: `eval "$(waybill env)"`."""
    found = running.environment(data_dir)
    if found is None:
        raise click.ClickException(f"no stack is running in {data_dir} (start one with: waybill up)")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items()))


async def _until_signalled(options: Options) -> None:
    """Serve; the first Ctrl-C or SIGTERM drains, the second does not wait."""
    stack = EmbeddedStack(options.data_dir, report=_say)
    serving = asyncio.create_task(_serve(stack, options))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, partial(_interrupt, serving, stack))
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _interrupt(serving: asyncio.Task[None], stack: EmbeddedStack) -> None:
    if serving.cancelling():
        stack.supervisor.hurry()
    else:
        serving.cancel()
        _say("draining; once more to stop at once")


async def _serve(stack: EmbeddedStack, options: Options) -> None:
    began = time.monotonic()
    if not is_free(options.port) or await listens(options.port):
        raise StackError(f"port {options.port} is taken on this machine; choose another with --port")
    async with stack:
        running.withdraw(stack.data_dir.path)
        settings = _settings(stack.environment, options)
        programs = Programs(stack.data_dir, {**_foreign(), **settings})
        await stack.supervisor.run(programs.named("migrate", within=MIGRATION_SECONDS))
        await stack.supervisor.start(*programs.behind_the_api(options.workers))
        await stack.supervisor.start(programs.api(options.port))
        with running.announced(stack.data_dir.path, settings):
            Welcome(options.url, stack.data_dir.path, stack.maildir, time.monotonic() - began).show(options.as_json)
            await disk.watch(stack.data_dir.path, _say)


def _settings(stack: Mapping[str, str], options: Options) -> dict[str, str]:
    """The stack's services, with what the user has set besides: limits, keys, the address the world sees."""
    own = _own()
    keys = {name for name in stack if name.endswith("_KEY_FILE") and own.keys() & {name, name.removesuffix("_FILE")}}
    ours = {name: value for name, value in stack.items() if name not in keys}
    settings = {name: value for name, value in own.items() if name.removesuffix("_FILE") not in ours}
    if settings.get(PUBLIC_URL, LOOPBACK).startswith(LOOPBACK):  # an earlier `waybill env` may have left it there
        settings[PUBLIC_URL] = options.url
    return {**settings, **ours}


def _own() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and name != DATA_DIR_VARIABLE}


def _foreign() -> dict[str, str]:
    """The rest of our environment, but for what would lead the S3 client to an account of the user's."""
    return {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "AWS_"))}


def _check_settings() -> None:
    """What the user has set is checked before anything is started."""
    if _own():
        load_settings(_own())


def _say(line: str) -> None:
    click.echo(f"waybill: {line}", err=True)
