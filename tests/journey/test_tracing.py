"""One trace leads from a request through outbox and stream to every consumer, and to what those cause in turn."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.attempts import Attempts
from consumers.subscription import discover
from consumers.worker import ConsumerWorker
from infra.tracing import trace_id, trace_with
from tests.api.conftest import Client, anonymous, app, built, client
from tests.consumers.conftest import MakeWorker, effects, make_worker
from tests.consumers.steps import STREAM, handled, publish, read, settled
from tests.database import Database
from tests.factories import an_available_file

__all__ = ["anonymous", "app", "built", "client", "effects", "make_worker"]
"""Fixtures from other rooms."""


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace_with(provider)
    yield exporter
    trace_with(None)


async def renamed(client: Client, database: Database) -> Any:
    """A request whose event `index_file` handles; returns that event's row."""
    file = await database.save(an_available_file(owner_id=client.account.id))
    await database.execute("DELETE FROM outbox")
    assert (await client.patch(f"/v1/files/{file.id}", json={"name": "b.pdf"})).status_code == 200
    return (await database.rows("SELECT * FROM outbox"))[0]


def named(spans: InMemorySpanExporter) -> dict[str, Any]:
    return {span.name: span for span in spans.get_finished_spans()}


@pytest.mark.parametrize("by_retry", [False, True])
async def test_one_trace_leads_from_the_request_to_the_consumer(
    by_retry: bool,
    client: Client,
    database: Database,
    redis: Redis,
    make_worker: MakeWorker,
    spans: InMemorySpanExporter,
) -> None:
    event = await renamed(client, database)
    worker = make_worker(discover()["index_file"])
    await publish(database, redis)
    entries = await read(worker, redis)
    if by_retry:
        await redis.xack(STREAM, "index_file", entries[0][0])
        await database.execute(
            "INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at) "
            "SELECT 'index_file', position, event_id, subject, type, 'due', 0, now(), now() FROM outbox"
        )
    else:
        await handled(worker, entries)

    assert await settled(worker, database) == [("done", 1)]
    request, handling = (named(spans)[name] for name in ("PATCH /v1/files/{file_id}", "index_file file.updated"))
    assert handling.context.trace_id == request.context.trace_id
    assert handling.parent.span_id == request.context.span_id
    assert trace_id(event.traceparent) == f"{request.context.trace_id:032x}"
    indexed = (await database.rows("SELECT traceparent FROM outbox WHERE type = 'file.indexed'"))[0]
    assert indexed.traceparent.startswith(f"00-{handling.context.trace_id:032x}-{handling.context.span_id:016x}-")


async def test_a_delivery_is_one_line_that_names_event_and_trace(
    client: Client, database: Database, redis: Redis, make_worker: MakeWorker
) -> None:
    event = await renamed(client, database)
    worker: ConsumerWorker = make_worker(discover()["index_file"])
    await publish(database, redis)

    with capture_logs() as lines:
        await handled(worker, await read(worker, redis))

    assert isinstance(worker.attempts, Attempts)
    (line,) = [each for each in lines if each["event"].startswith("delivery.")]
    assert line.pop("ms") >= 0
    assert line.pop("position") > 0
    assert line == {
        "event": "delivery.done",
        "log_level": "info",
        "consumer": "index_file",
        "type": "file.updated",
        "subject": str(event.subject),
        "event_id": str(event.event_id),
        "trace_id": trace_id(event.traceparent),
        "attempt": 1,
    }


def test_without_a_collector_no_exporter_is_even_imported() -> None:
    asked = "import sys, api.app, consumers.app; from infra.tracing import *; configure_tracing('api'); "
    code = f"{asked} print([name for name in sys.modules if name.startswith('opentelemetry.exporter')])"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}

    assert subprocess.check_output([sys.executable, "-c", code], env=environ, text=True).strip() == "[]"  # noqa: S603


def test_with_a_collector_spans_are_made() -> None:
    code = (
        "from infra.tracing import *; configure_tracing('api')\n"
        "with work('x', 'SERVER', None) as it: print(it.traceparent, it.span.resource.attributes['service.name'])"
    )
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}

    said = subprocess.check_output([sys.executable, "-c", code], env=environ, text=True, stderr=subprocess.DEVNULL)  # noqa: S603

    assert said.startswith("00-")
    assert said.endswith(" waybill-api\n")
