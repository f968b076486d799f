"""`waybill config show`."""

import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import click
import msgspec

from infra import running
from infra.console import show_json, show_table
from infra.settings import PREFIX, SECRETS, Settings, data_dir, is_ours, load_settings

MASK = "********"


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text for people.")
def show(*, origin: bool, as_json: bool) -> None:
    """Show every setting as it holds for a process started here; secrets are masked."""
    origins = origins_of(os.environ)
    settings = load_settings()
    rows = [(f"{PREFIX}{name.upper()}", _shown(settings, name), origins[name]) for name in Settings.__struct_fields__]
    if as_json:
        show_json([{"name": name, "value": value} | ({"origin": of} if origin else {}) for name, value, of in rows])
    elif origin:
        show_table(["setting", "value", "origin"], [(name, _text(value), of) for name, value, of in rows])
    else:
        show_table(["setting", "value"], [(name, _text(value)) for name, value, _ in rows])


def origins_of(environ: Mapping[str, str]) -> dict[str, str]:
    """For each field of Settings: `default`, `environment`, the file that it is read from, or the stack that runs."""
    where, directory = "environment", data_dir(environ)
    if not any(map(is_ours, environ)):
        environ, where = running.environment(directory) or {}, f"the stack in {directory}"
    origins = {}
    for name in Settings.__struct_fields__:
        variable = f"{PREFIX}{name.upper()}"
        path = environ.get(f"{variable}_FILE")
        origins[name] = where if variable in environ else f"file {path}" if path else "default"
    return origins


def _shown(settings: Settings, name: str) -> object:
    value = msgspec.to_builtins(getattr(settings, name))
    if name not in SECRETS or value is None:
        return value
    return _without_password(value) if "://" in value else MASK


def _without_password(url: str) -> str:
    """A URL's password stands before its host, or among its parameters."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    user, colon, _ = credentials.partition(":")
    query = [(key, MASK if "password" in key.lower() else value) for key, value in parse_qsl(parts.query)]
    netloc = f"{user}{colon}{MASK if colon else ''}{at}{host}"
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode(query, safe="/*")))


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
