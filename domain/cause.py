"""Whatever is done has a cause: its W3C `traceparent` goes with every event that is recorded meanwhile."""

from contextvars import ContextVar

_CAUSE: ContextVar[str | None] = ContextVar("cause", default=None)


def cause() -> str | None:
    return _CAUSE.get()


class caused_by:  # noqa: N801 - used like a function
    """Inside, that is the cause. No generator: this is around each request and each delivery."""

    __slots__ = ("_token", "_traceparent")

    def __init__(self, traceparent: str | None) -> None:
        self._traceparent = traceparent

    def __enter__(self) -> None:
        self._token = _CAUSE.set(self._traceparent)

    def __exit__(self, *_: object) -> None:
        _CAUSE.reset(self._token)
