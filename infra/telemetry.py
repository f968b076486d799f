"""Logs: one line of JSON, or of text for people, per thing that happened; never a secret in them."""

import json
import logging
import sys
import threading
from contextlib import suppress
from typing import Any, Literal

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

EACH = "each"
"""What has happened to many at once is said once: `each` holds what differs, and becomes a line for each of them."""

LogFormat = Literal["json", "console"]


def configure_logging(log_format: LogFormat) -> None:
    """Send structlog's and the libraries' own logs to stderr, in one format.

    Ours go there directly: by way of the standard library a line takes five times as long.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    *last, render = _last(log_format)
    structlog.configure(
        processors=[*shared, *last, _lines(render)],
        logger_factory=_Stderr,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    theirs = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, render]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=theirs))
    handler.set_name(log_format)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("botocore", "aiobotocore", "alembic.runtime.plugins", "uvicorn.access", "rocketry"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if log_format == "json":
        _log_what_python_prints()


def one_line(error: BaseException) -> str:
    """What an error says, in one line; its name where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _log_what_python_prints() -> None:
    """Warnings, and errors that nobody has caught."""
    logging.captureWarnings(capture=True)
    log = logging.getLogger("python")
    sys.excepthook = lambda *raised: log.critical("process.failed", exc_info=raised)
    threading.excepthook = lambda told: log.error("thread.failed", exc_info=told.exc_value)
    sys.unraisablehook = lambda told: log.error("python.ignored", exc_info=told.exc_value)


class _Stderr:
    """A logger for structlog. Where nobody can read a line, what it tells of goes on all the same."""

    def __init__(self, *_: Any) -> None:
        """Of no name in particular."""

    def msg(self, lines: bytes) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.buffer.write(lines)
            sys.stderr.buffer.flush()

    debug = info = warning = error = critical = exception = msg


def _lines(render: Processor) -> Processor:
    """One line, or one for each of many."""

    def lines(logger: Any, method: str, event: EventDict) -> bytes:
        many = event.pop(EACH, ({},))
        rendered = [str(render(logger, method, {**event, **each})) for each in many]
        return "\n".join([*rendered, ""]).encode(errors="backslashreplace")

    return lines


def _json(_: Any, __: str, event: EventDict) -> str:
    try:
        return msgspec.json.encode(event).decode()
    except (TypeError, UnicodeError):  # what is of no type that JSON knows, and bytes that were no text
        return json.dumps(event, default=repr)


def _last(log_format: LogFormat) -> list[Processor]:
    if log_format == "json":
        return [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),  # locals hold secrets
            _json,
        ]
    return [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]
