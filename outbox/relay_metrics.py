"""A relay's figures for Prometheus. What it has done is only read; what still waits is asked when somebody looks."""

import asyncio
import time
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra import streams
from infra.connection import UNREACHABLE, connect
from infra.metrics import process_registry
from infra.monitoring import View
from outbox.relay_health import RelayHealth, Tally

ASK_SECONDS = 5.0
"""How old a figure may be that costs a query."""
PATIENCE_SECONDS = 5.0
MOST = 100_000
"""Of each kind; a backlog that is longer is counted no further."""

BACKLOG = f"""
SELECT count(*) AS rows, greatest(0, extract(epoch FROM now() - min(recorded_at)))::float AS oldest_seconds
FROM (
    (SELECT recorded_at FROM outbox WHERE position IS NULL ORDER BY id LIMIT {MOST})
    UNION ALL
    SELECT message.recorded_at FROM unnest($1::text[], $2::bigint[]) AS cursor (stream, position)
    CROSS JOIN LATERAL (
        SELECT recorded_at FROM outbox WHERE outbox.stream = cursor.stream AND outbox.position > cursor.position
        ORDER BY outbox.position LIMIT {MOST}
    ) message
) waiting
"""


class Backlog:
    """What is committed and in no stream yet; on a connection of its own, so that the relay never waits for it."""

    def __init__(self, database_url: str, redis: Redis, stream_names: Sequence[str]) -> None:
        self._database_url = database_url
        self._redis = redis
        self._streams = list(stream_names)
        self._asked: float | None = None
        self.rows: int | None = None
        self.oldest_seconds = 0.0

    async def ask(self) -> None:
        """Ask again if that is long ago; while it cannot be known there is no figure."""
        if self._asked is not None and time.monotonic() - self._asked < ASK_SECONDS:
            return
        self._asked = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self.rows, self.oldest_seconds = await self._count()
        except (*UNREACHABLE, RedisError):
            self.rows = None

    async def _count(self) -> tuple[int, float]:
        ends = [streams.position(await streams.last_id(self._redis, stream)) for stream in self._streams]
        connection = await connect(self._database_url, application_name="waybill-monitor")
        try:
            found = await connection.fetchrow(BACKLOG, self._streams, ends)
        finally:
            connection.terminate()
        return found["rows"], found["oldest_seconds"] or 0.0


class RelayMetrics(Collector):
    def __init__(self, tally: Tally, backlog: Backlog, stream_names: Sequence[str]) -> None:
        self._tally = tally
        self._backlog = backlog
        self._streams = stream_names

    def collect(self) -> Iterator[Metric]:
        tally, backlog = self._tally, self._backlog
        yield CounterMetricFamily("waybill_relay_batches", "Appends to a stream.", tally.batches)
        yield CounterMetricFamily("waybill_relay_entries", "Entries appended.", tally.entries)
        yield CounterMetricFamily("waybill_relay_failures", "Times that Postgres or Redis was away.", tally.failures)
        conflicts = CounterMetricFamily(
            "waybill_relay_conflicts", "Appends refused: the stream ended elsewhere than believed.", labels=["stream"]
        )
        for stream in self._streams:
            conflicts.add_metric([stream], tally.conflicts[stream])
        yield conflicts
        if backlog.rows is not None:
            yield GaugeMetricFamily(
                "waybill_relay_backlog", f"Rows committed and in no stream yet, or {MOST} and more.", backlog.rows
            )
            yield GaugeMetricFamily("waybill_relay_oldest_seconds", "Age of the oldest.", backlog.oldest_seconds)


def view(health: RelayHealth, database_url: str, redis: Redis, stream_names: Sequence[str]) -> View:
    backlog = Backlog(database_url, redis, stream_names)
    registry = process_registry()
    registry.register(RelayMetrics(health.tally, backlog, stream_names))
    return View(health.checks, registry, backlog.ask)
