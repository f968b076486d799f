"""Whatever is done has a cause: its W3C `traceparent` goes with every event that is recorded meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CAUSE: ContextVar[str | None] = ContextVar("cause", default=None)


def cause() -> str | None:
    return _CAUSE.get()


@contextmanager
def caused_by(traceparent: str | None) -> Iterator[None]:
    token = _CAUSE.set(traceparent)
    try:
        yield
    finally:
        _CAUSE.reset(token)
