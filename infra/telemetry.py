"""Logs: one line of JSON, or of text for people, per thing that happened; never a secret in them."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

EACH = "each"
"""What has happened to many at once is said once: `each` holds what differs, and becomes a line for each of them."""

LogFormat = Literal["json", "console"]
Lines = Callable[[Sequence[EventDict]], bytes]
EXCEPTIONS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
"""For JSON; locals would hold secrets."""
_ENCODER = msgspec.json.Encoder()
_CONTEXT: ContextVar[Mapping[str, object]] = ContextVar("context", default=MappingProxyType({}))


class saying:  # noqa: N801 - used like a function
    """Inside, every line of the log says this too, and nothing of what was to be said around it.

    One context variable for all of it, and no generator: structlog's own way takes five times as long, and this is
    around each request and each delivery.
    """

    __slots__ = ("_said", "_token")

    def __init__(self, said: Mapping[str, object]) -> None:
        self._said = said

    def __enter__(self) -> None:
        self._token = _CONTEXT.set(self._said)

    def __exit__(self, *_: object) -> None:
        _CONTEXT.reset(self._token)


def add_context(_: Any, __: str, event: EventDict) -> EventDict:
    """What is said around it; the line's own words count for more."""
    return {**_CONTEXT.get(), **event}


def configure_logging(log_format: LogFormat) -> None:
    """Send structlog's and the libraries' own logs to stderr, in one format.

    Ours go there directly: by way of the standard library a line takes five times as long.
    """
    shared: list[Processor] = [
        add_context,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last, lines = ([EXCEPTIONS], _json) if log_format == "json" else ([], _text())
    structlog.configure(
        processors=[*shared, *last, _together(lines)],
        logger_factory=_Stderr,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    theirs: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, _alone(lines)]
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
            stderr = sys.stderr.buffer
            stderr.write(lines)
            stderr.flush()

    debug = info = warning = error = critical = exception = msg


def _together(lines: Lines) -> Processor:
    """One line, or one for each of many."""

    def rendered(_: Any, __: str, event: EventDict) -> bytes:
        many = event.pop(EACH, ({},))
        return lines([{**event, **each} for each in many])

    return rendered


def _alone(lines: Lines) -> Processor:
    """One line, as the standard library wants it."""
    return lambda _, __, event: lines([event]).decode().removesuffix("\n")


def _json(events: Sequence[EventDict]) -> bytes:
    try:
        return _ENCODER.encode_lines(events)
    except (TypeError, UnicodeError):  # what is of no type that JSON knows, and bytes that were no text
        return "".join(f"{json.dumps(event, default=repr)}\n" for event in events).encode()


def _text() -> Lines:
    formatter = structlog.dev.plain_traceback
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=formatter)

    def lines(events: Sequence[EventDict]) -> bytes:
        return "".join(f"{render(None, '', event)}\n" for event in events).encode(errors="backslashreplace")

    return lines
