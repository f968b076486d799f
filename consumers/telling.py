"""What is told of a delivery: one line in the log, a figure, and its part of the trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.contextvars import bound_contextvars

from domain.cause import caused_by
from infra.metrics import ATTEMPT_SECONDS, ATTEMPTS
from infra.tracing import trace_id, work
from outbox.delivery import Ticket

log = structlog.get_logger(__name__)

LEVELS = {"done": "info", "due": "warning", "lost": "warning", "dead": "error"}


@contextmanager
def handling(ticket: Ticket, traceparent: str | None) -> Iterator[None]:
    """Whatever is logged or recorded inside belongs to this delivery."""
    known = {"consumer": ticket.consumer, "event_id": str(ticket.event_id)}
    name = f"{ticket.consumer} {ticket.type}"
    with (
        work(name, "CONSUMER", traceparent, **known, attempt=ticket.attempt) as it,
        caused_by(it.traceparent),
        bound_contextvars(**known, trace_id=it.trace_id),
    ):
        yield


def tell(ticket: Ticket, traceparent: str | None, outcome: str, seconds: float, error: str | None = None) -> None:
    """`outcome` is one of LEVELS; the error is left out where there is none."""
    ATTEMPTS.labels(ticket.consumer, outcome).inc()
    ATTEMPT_SECONDS.labels(ticket.consumer).observe(seconds)
    more = {} if error is None else {"error": error}
    getattr(log, LEVELS[outcome])(
        f"delivery.{outcome}",
        consumer=ticket.consumer,
        type=ticket.type,
        subject=str(ticket.subject),
        position=ticket.position,
        event_id=str(ticket.event_id),
        trace_id=trace_id(traceparent),
        attempt=ticket.attempt,
        ms=round(seconds * 1000, 1),
        **more,
    )
