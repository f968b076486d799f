"""One trace from a request through outbox and stream to every consumer: in the logs, and in OpenTelemetry if asked.

The trace's id travels in any case. Spans are made where the extra `otel` is installed and the standard environment
names a collector (`OTEL_EXPORTER_OTLP_ENDPOINT`); otherwise we do not even import OpenTelemetry.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from random import getrandbits
from types import MappingProxyType
from typing import Any, Literal, Self

import msgspec
import structlog

log = structlog.get_logger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER = "opentelemetry.exporter.otlp.proto.http"
SANE = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACE_ID = slice(3, 35)
NOTHING: Mapping[str, Any] = MappingProxyType({})
_tracer: Any = None


class Work(msgspec.Struct, frozen=True):
    """A span of work; what it causes carries its traceparent."""

    traceparent: str
    span: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """A span ends where it was begun."""

    @property
    def trace_id(self) -> str:
        return self.traceparent[TRACE_ID]

    def tell(self, name: str, **attributes: Any) -> None:
        """What is known only at its end."""
        if self.span is not None:
            self.span.update_name(name)
            self.span.set_attributes({key: value for key, value in attributes.items() if value is not None})


Kind = Literal["SERVER", "CONSUMER", "PRODUCER"]


def work(
    name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Any] = NOTHING
) -> AbstractContextManager[Work]:
    """`parent` is a `sane` traceparent, or None."""
    if _tracer is None:
        return Work(parent or f"00-{getrandbits(128):032x}-{getrandbits(64):016x}-00")  # ids, no secrets
    return _span(name, kind, parent, attributes)


@contextmanager
def _span(name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Any]) -> Iterator[Work]:
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - absent, or not wanted, in most processes
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    w3c, carrier = TraceContextTextMapPropagator(), dict[str, str]()
    context = w3c.extract({"traceparent": parent} if parent else {})
    with _tracer.start_as_current_span(name, context=context, kind=SpanKind[kind], attributes=attributes) as span:
        w3c.inject(carrier)
        yield Work(carrier["traceparent"], span)


def sane(traceparent: str | None) -> str | None:
    """What somebody sends as one, where it is one."""
    return traceparent if traceparent is not None and SANE.fullmatch(traceparent) else None


def trace_id(traceparent: str | None) -> str | None:
    """Of a sane one."""
    return traceparent and traceparent[TRACE_ID]


def configure_tracing(process: str, environ: Mapping[str, str] = os.environ) -> None:
    """Send spans where the environment says, under the name `waybill-<process>` unless it has another."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(environ.get(name) for name in ENDPOINTS):
        return
    if find_spec("opentelemetry") is None or find_spec(EXPORTER) is None:
        log.warning("tracing.not_installed", todo="install waybill[otel]")
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    name = environ.get("OTEL_SERVICE_NAME") or f"waybill-{process}"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace_with(provider)


def trace_with(provider: Any) -> None:
    """Make spans with this provider of OpenTelemetry; with None, make none."""
    global _tracer  # noqa: PLW0603 - one a process, as its logs are
    _tracer = provider.get_tracer("waybill") if provider is not None else None
