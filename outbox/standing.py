"""How far everything is, for Prometheus: the figures of `waybill status`, asked when somebody looks, kept a while."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from infra.connection import UNREACHABLE
from outbox.session import Sessions
from outbox.status import ConsumerStatus, Status, status

ASK_SECONDS = 5.0
"""How old a figure may be that costs a query."""
ASK_COST = 10
"""It is kept this many times as long as it took to get: a long backlog is counted less often."""
PATIENCE_SECONDS = 5.0
MOST_CONSUMERS = 100
"""Groups of others are in it too, and anybody who may read a stream can make some."""


class Standing(Collector):
    """While it cannot be known, `waybill_standing_known` is 0 and the others are absent."""

    def __init__(self, sessions: Sessions, redis: Redis, stream_names: Sequence[str]) -> None:
        self._sessions = sessions
        self._redis = redis
        self._streams = stream_names
        self._next = 0.0
        self._found: Status | None = None

    async def ask(self) -> None:
        """Ask again if that is long ago; whoever looks meanwhile sees the figures of before."""
        began = time.monotonic()
        if began < self._next:
            return
        self._next = began + PATIENCE_SECONDS
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._found = await status(self._sessions, self._redis, self._streams)
        except (*UNREACHABLE, SQLAlchemyError, RedisError):
            self._found = None
        ended = time.monotonic()
        self._next = ended + max(ASK_SECONDS, ASK_COST * (ended - began))

    def collect(self) -> Iterator[Metric]:
        found = self._found
        yield GaugeMetricFamily(
            "waybill_standing_known", "1 while Postgres and Redis tell how far everything is.", int(found is not None)
        )
        if found is not None:
            yield from _outbox(found)
            yield from _consumers(list(islice(found.consumers, MOST_CONSUMERS)))


def _outbox(found: Status) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "waybill_outbox_unsequenced", "Events committed and not numbered by a relay yet.", found.outbox.unsequenced
    )
    yield GaugeMetricFamily("waybill_outbox_oldest_seconds", "Age of the oldest.", found.outbox.oldest_seconds or 0)
    length = GaugeMetricFamily("waybill_stream_length", "Entries that the stream holds.", labels=["stream"])
    behind = GaugeMetricFamily("waybill_stream_behind", "1 while the stream ends before its outbox.", labels=["stream"])
    for stream in found.streams:
        length.add_metric([stream.name], stream.length)
        behind.add_metric([stream.name], int(stream.is_behind))
    yield from (length, behind)


def _consumers(consumers: Sequence[ConsumerStatus]) -> Iterator[Metric]:
    by_stream = ["consumer", "stream"]
    lag = GaugeMetricFamily("waybill_consumer_lag", "Entries that its group has not read.", labels=by_stream)
    pending = GaugeMetricFamily("waybill_consumer_pending", "Read and not acknowledged.", labels=by_stream)
    unread = GaugeMetricFamily("waybill_consumer_unread_seconds", "Age of the oldest it owes.", labels=by_stream)
    overdue = GaugeMetricFamily("waybill_consumer_overdue_seconds", "By how long one is late.", labels=["consumer"])
    open_ = GaugeMetricFamily("waybill_deliveries", "Deliveries that are not done.", labels=["consumer", "state"])
    seen = set()
    for each in consumers:
        labels = [each.name, each.stream or ""]
        lag.add_metric(labels, each.lag or 0)
        pending.add_metric(labels, each.pending)
        unread.add_metric(labels, each.unread_seconds or 0)
        if each.name in seen:  # it reads several streams; its deliveries are one table
            continue
        seen.add(each.name)
        overdue.add_metric([each.name], each.overdue_seconds or 0)
        for state in ("due", "running", "dead"):
            open_.add_metric([each.name, state], getattr(each, state))
    yield from (lag, pending, unread, overdue, open_)
