"""What is told of a delivery: one line in the log, a figure, and its part of the trace."""

from collections.abc import Sequence

import structlog

from infra.metrics import ATTEMPT_SECONDS, ATTEMPTS
from infra.telemetry import EACH
from infra.tracing import trace_id
from outbox.delivery import Ticket

log = structlog.get_logger(__name__)

LEVELS = {"done": "info", "due": "warning", "lost": "warning", "dead": "error"}


def known(ticket: Ticket) -> dict[str, object]:
    """By what a delivery is found in traces and in the log."""
    return {"consumer": ticket.consumer, "event_id": str(ticket.event_id), "attempt": ticket.attempt}


def tell(ticket: Ticket, traceparent: str | None, outcome: str, seconds: float, error: str | None = None) -> None:
    """`outcome` is one of LEVELS; the error is left out where there is none."""
    _count(ticket.consumer, outcome, seconds, 1)
    more = {} if error is None else {"error": error}
    shared = {"consumer": ticket.consumer, "ms": round(seconds * 1000, 1)}
    getattr(log, LEVELS[outcome])(f"delivery.{outcome}", **shared, **_about(ticket, traceparent), **more)


def tell_together(consumer: str, done: Sequence[tuple[Ticket, str | None]], seconds: float) -> None:
    """The same of many that were done in one transaction: a line for each, at the price of one."""
    _count(consumer, "done", seconds, len(done))
    about = [_about(ticket, traceparent) for ticket, traceparent in done]
    log.info("delivery.done", consumer=consumer, ms=round(seconds * 1000, 1), **{EACH: about})


def _count(consumer: str, outcome: str, seconds: float, times: int) -> None:
    ATTEMPTS.labels(consumer, outcome).inc(times)
    ATTEMPT_SECONDS.labels(consumer).observe_each(seconds, times)


def _about(ticket: Ticket, traceparent: str | None) -> dict[str, object]:
    return {
        "type": ticket.type,
        "subject": str(ticket.subject),
        "position": ticket.position,
        "event_id": str(ticket.event_id),
        "trace_id": trace_id(traceparent),
        "attempt": ticket.attempt,
    }
