"""Settings come from the environment alone; a wrong or unknown name stops the process with one line that says so."""

import difflib
import os
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from infra import running

PREFIX = "WAYBILL_"
DATA_DIR_VARIABLE = "WAYBILL_DATA_DIR"
DEFAULT_DATA_DIR = Path(".waybill")

LISTS = frozenset({"allowed_types", "cors_origins", "event_readers", "trusted_proxies"})
SECRETS = frozenset({"local_key", "secret_key", "database_url", "redis_url", "smtp_url"})

Positive = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0)]
HttpUrl = Annotated[str, Meta(pattern="^https?://[^/]")]
Origin = Annotated[str, Meta(pattern=r"^https?://[^/*\s]+$")]


class SettingsError(Exception):
    """The environment does not describe a Waybill that can start."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field for each `WAYBILL_…` variable of the README; sizes in bytes.

    A key may be several, the newest first; where they lie in a file, both its text and its path are here.
    """

    database_url: Annotated[str, Meta(pattern="^postgres(ql)?://")] = "postgresql://postgres@localhost/waybill"
    redis_url: Annotated[str, Meta(pattern="^(rediss?|unix)://")] = "redis://localhost:6379/0"
    s3_bucket: Annotated[str, Meta(min_length=3, max_length=63)] = "waybill"
    s3_endpoint_url: HttpUrl | None = None
    s3_public_endpoint_url: HttpUrl | None = None
    smtp_url: Annotated[str, Meta(pattern="^smtps?://")] = "smtp://localhost:1025"
    mail_from: str = "Waybill <waybill@localhost>"
    public_url: HttpUrl = "http://127.0.0.1:8000"
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[Origin, ...] = ()
    event_readers: tuple[str, ...] = ()
    rate_limit_scale: Annotated[float, Meta(gt=0)] = 1.0
    local_key: Annotated[str, Meta(pattern=r"^k4\.local\.")] | None = None
    local_key_file: str | None = None
    secret_key: Annotated[str, Meta(pattern=r"^k4\.secret\.")] | None = None
    secret_key_file: str | None = None
    max_file_size: Positive = 5 * 1024**4
    quota_bytes: Positive = 100 * 1024**3
    allowed_types: tuple[str, ...] = ()
    retention_days: Positive = 30
    retry_max_attempts: Annotated[int, Meta(gt=0, le=100)] = 10
    retry_base_seconds: Seconds = 1.0
    lease_seconds: Seconds = 30.0
    log_format: Literal["json", "console"] = "console"

    @property
    def s3_browser_endpoint_url(self) -> str | None:
        """Where clients outside our network reach S3: the host that presigned URLs carry."""
        return self.s3_public_endpoint_url or self.s3_endpoint_url


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ`, by default the process's own, or else a running stack's.

    Raises:
        SettingsError: with one line that names the variable and what is wrong with it.

    """
    environ = os.environ if environ is None else environ
    if not any(map(is_ours, environ)):
        environ = {**environ, **_running_stack(environ)}
    values = _values(environ)
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_one_line(error)) from None


def data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the embedded stack of this machine keeps its files."""
    environ = os.environ if environ is None else environ
    return Path(environ.get(DATA_DIR_VARIABLE) or DEFAULT_DATA_DIR)


def _running_stack(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the stack in the data dir, applied to this process too: the AWS names are read by its SDK."""
    found = running.environment(data_dir(environ)) or {}
    if environ is os.environ:
        os.environ.update(found)
    return found


def is_ours(name: str) -> bool:
    """Whether an environment variable is a setting, be it one that we know."""
    return name.startswith(PREFIX) and name != DATA_DIR_VARIABLE


def _values(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not is_ours(name):
            continue
        field, value = _named(name, text)
        if field in values:
            raise SettingsError(f"{PREFIX}{field.upper()} and {PREFIX}{field.upper()}_FILE are both set; which is it?")
        values[field] = value
        if name.endswith(f"{field.upper()}_FILE") and f"{field}_file" in Settings.__struct_fields__:
            values[f"{field}_file"] = text
    return values


def _named(name: str, text: str) -> tuple[str, Any]:
    field = name.removeprefix(PREFIX).lower()
    if field.endswith("_file") and field.removesuffix("_file") in SECRETS:
        return field.removesuffix("_file"), _secret(name, text)
    if field not in Settings.__struct_fields__:
        raise SettingsError(f"{name} is not a setting{_nearest(field)}")
    if field not in LISTS:
        return field, text
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    return field, _networks(name, parts) if field == "trusted_proxies" else parts


def _networks(name: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    """The server would take what is none for a name, and trust nobody without a word."""
    try:
        return tuple(str(ip_network(part)) for part in parts)
    except ValueError:
        raise SettingsError(f"{name}: expected addresses and networks, such as 10.0.0.0/8") from None


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}: {path} cannot be read ({error.strerror})") from None


def _nearest(field: str) -> str:
    near = difflib.get_close_matches(field, Settings.__struct_fields__, n=1)
    return f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""


def _one_line(error: msgspec.ValidationError) -> str:
    """`Expected …` - at `$.field` becomes a sentence that begins with the variable's name; values are not repeated."""
    reason, _, path = str(error).partition(" - at `$.")
    return f"{PREFIX}{path.strip('`').partition('[')[0].upper()}: {reason[0].lower()}{reason[1:]}"
