"""Logs: one line of JSON, or of text for people, per thing that happened; never a secret in them."""

import logging
import sys
import threading
from typing import Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer

LogFormat = Literal["json", "console"]


def configure_logging(log_format: LogFormat) -> None:
    """Send structlog's and the libraries' own logs to stderr, in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_last(log_format)))
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


def _last(log_format: LogFormat) -> list[structlog.typing.Processor]:
    if log_format == "json":
        return [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),  # locals hold secrets
            structlog.processors.JSONRenderer(),
        ]
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
    ]
