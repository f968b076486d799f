"""What a process counts of itself, for Prometheus. A label is a name that the code knows, never an id or a path."""

import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from sqlalchemy import Engine, QueuePool

QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Times(Histogram):
    """Seconds that things took, be it many at once."""

    def observe_each(self, seconds: float, times: int) -> None:
        """As `observe` would `times` times; that took a twentieth of what a batch takes."""
        self._sum.inc(seconds * times)
        for index, bound in enumerate(self._upper_bounds):
            if seconds <= bound:
                self._buckets[index].inc(times)
                break


HTTP_REQUESTS = Counter(
    "waybill_http_requests",
    "Requests that ended, by the route's template; status 0 is an answer that never began.",
    ["method", "route", "status"],
    registry=None,
)
HTTP_SECONDS = Histogram(
    "waybill_http_request_seconds",
    "How long they took, their whole answer included.",
    ["method", "route"],
    buckets=QUICK,
    registry=None,
)
HTTP_IN_FLIGHT = Gauge("waybill_http_in_flight", "Requests that are being answered.", registry=None)
ATTEMPTS = Counter(
    "waybill_delivery_attempts",
    "Attempts of a consumer, by what became of the delivery; lost is one that another worker took meanwhile.",
    ["consumer", "outcome"],
    registry=None,
)
ATTEMPT_SECONDS = Times(
    "waybill_delivery_seconds",
    "How long an attempt took; of a batch, its whole transaction.",
    ["consumer"],
    buckets=QUICK,
    registry=None,
)
S3_SECONDS = Histogram(
    "waybill_s3_seconds",
    "Calls of S3, by how they ended: ok, missing or failed.",
    ["operation", "outcome"],
    buckets=QUICK,
    registry=None,
)
MAIL_SECONDS = Histogram(
    "waybill_mail_seconds",
    "Mails given to the server, by how that ended: sent, refused for good, or failed.",
    ["outcome"],
    buckets=QUICK,
    registry=None,
)


class _Pools(Collector):
    """The connections to Postgres; asked of the pools when somebody looks."""

    def __init__(self) -> None:
        self.engines: MutableMapping[Engine, str] = WeakKeyDictionary()

    def collect(self) -> Iterator[Metric]:
        used = GaugeMetricFamily("waybill_postgres_pool_used", "Connections in use.", labels=["pool"])
        size = GaugeMetricFamily("waybill_postgres_pool_size", "Connections there may be.", labels=["pool"])
        for name in sorted(set(self.engines.values())):
            pools = [cast("QueuePool", each.pool) for each, its_name in self.engines.items() if its_name == name]
            used.add_metric([name], sum(pool.checkedout() for pool in pools))
            size.add_metric([name], sum(pool.size() for pool in pools))
        yield from (used, size)


POOLS = _Pools()
OURS = (HTTP_REQUESTS, HTTP_SECONDS, HTTP_IN_FLIGHT, ATTEMPTS, ATTEMPT_SECONDS, S3_SECONDS, MAIL_SECONDS, POOLS)


def process_registry() -> CollectorRegistry:
    """All of these, beside the process's memory, CPU and descriptors."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for each in OURS:
        registry.register(each)
    return registry


class Timed:
    """Something that takes a while, and how it ended."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome


@contextmanager
def timed(histogram: Histogram, *labels: str, well: str, otherwise: str) -> Iterator[Timed]:
    """Observe what is inside; whoever knows better than `otherwise` how it failed says so in what is yielded."""
    began, it = time.perf_counter(), Timed(otherwise)
    try:
        yield it
        it.outcome = well
    except GeneratorExit:
        it.outcome = well  # whoever read it wanted no more
        raise
    finally:
        histogram.labels(*labels, it.outcome).observe(time.perf_counter() - began)
