"""The worker process: FastStream reads the streams in batches; each consumer's own worker does the rest."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.configs.state import RedisConnectionState
from faststream.redis.message import RedisBatchStreamMessage
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers.attempts import Attempts
from consumers.due import look_for_due
from consumers.solitude import Solitude
from consumers.subscription import Consumer, discover
from consumers.worker import ConsumerWorker
from infra import streams
from infra.database import create_engine
from infra.mailer import Mailer
from infra.settings import Settings
from infra.storage import Storage
from infra.telemetry import one_line
from infra.waiting import end_within, on_signals, pause
from outbox.delivery import Policy
from outbox.session import Sessions, session_factory

log = structlog.get_logger(__name__)

READ_BLOCK_MS = 500
BATCH_GRACE_SECONDS = 2.0
"""For a batch whose transaction is open when we are told to stop; the process has 10."""
GRACE_SECONDS = 4.0
"""For what is being handled by itself, after that."""
STOP_SECONDS = 9.0
"""The rest is for handing back: on a busy machine that takes a while too."""
START_RETRY_SECONDS = 1.0


class UnknownConsumer(Exception):
    """There is no consumer of that name."""


class Client(streams.StreamClient):
    """Reads as many entries as their consumer wants next; FastStream would always ask for the same number."""

    workers: Mapping[str, ConsumerWorker]

    async def xreadgroup(self, groupname: Any, consumername: Any, streams: Any, **options: Any) -> Any:  # type: ignore[override]
        wanted = {**options, "count": self.workers[groupname].bite}
        return await super().xreadgroup(groupname, consumername, streams, **wanted)


class _Connection(RedisConnectionState):
    """Our own client for FastStream: one whose groups come back by themselves."""

    def __init__(self, redis_url: str, workers: Mapping[str, ConsumerWorker]) -> None:
        super().__init__()
        self._redis_url, self._workers = redis_url, workers

    async def connect(self) -> Redis:
        self._client = client = Client.of(self._redis_url)
        client.workers = self._workers
        self._connected = True
        return client


class Broker(RedisBroker):
    """FastStream's broker, with that client. Reading and acknowledging never go through FastStream's own envelope."""

    def _make_connection_state(self, connection_options: dict[str, Any], kwargs: dict[str, Any]) -> _Connection:
        return _Connection(self._redis_url, self._workers)

    def __init__(self, redis_url: str, workers: Mapping[str, ConsumerWorker]) -> None:
        self._redis_url, self._workers = redis_url, workers
        silent: Any = None
        super().__init__(redis_url, apply_types=False, logger=silent, graceful_timeout=BATCH_GRACE_SECONDS)


@dataclass
class Worker:
    """All consumers of one process."""

    settings: Settings
    only: Collection[str] = ()
    worker_id: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        found = discover()
        if unknown := set(self.only) - set(found):
            raise UnknownConsumer(
                f"no consumer is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(found))}"
            )
        self.consumers = [consumer for name, consumer in sorted(found.items()) if not self.only or name in self.only]
        self.workers: dict[str, ConsumerWorker] = {}
        self.broker = Broker(self.settings.redis_url, self.workers)
        self._tasks: list[asyncio.Task[None]] = []
        self.solitude = Solitude()
        for consumer in self.consumers:
            for stream in consumer.streams:
                self._subscribe(consumer, stream)

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT, then drain. Without Redis, what is due is handled all the same."""

        async def heed_signals() -> None:
            on_signals(app.exit)

        app = FastStream(
            self.broker,
            logger=None,
            lifespan=self._lifespan,
            on_startup=[heed_signals, self._subscribe_all, self._redis_answers],
            after_startup=[self._say_ready],
            on_shutdown=[self._stop_starting],
        )
        try:
            await app.run()
        except Exception:
            if not self.stop.is_set():
                raise
            log.info("worker.stopped_while_starting", worker=self.worker_id)  # its connections went from under it

    def _subscribe(self, consumer: Consumer, stream: str) -> None:
        subscription = StreamSub(
            stream,
            group=consumer.name,
            consumer=self.worker_id,
            batch=True,
            polling_interval=READ_BLOCK_MS,
        )
        subscriber = self.broker.subscriber(
            stream=subscription, ack_policy=AckPolicy.MANUAL, parser=_as_it_is, decoder=_entries, no_reply=True
        )

        async def handle(entries: Any) -> None:
            await self.workers[consumer.name].handle(stream, entries)

        subscriber(handle)

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        """Resources before the broker starts; and, once it has stopped, the drain."""
        async with _resources(self.settings) as (sessions, redis, resources):
            self._sessions, self._redis = sessions, redis
            for consumer in self.consumers:
                self.workers[consumer.name] = self._worker(consumer, sessions, redis, resources)
            try:
                yield
            finally:
                await self._drain()

    def _worker(
        self, consumer: Consumer, sessions: Sessions, redis: Redis, resources: Mapping[str, Any]
    ) -> ConsumerWorker:
        lease = timedelta(seconds=self.settings.lease_seconds)
        policy = Policy(self.settings.retry_max_attempts, self.settings.retry_base_seconds, lease)
        attempts = Attempts(consumer, sessions, policy, resources, self.solitude)
        return ConsumerWorker(consumer, self.worker_id, sessions, redis, attempts, self.stop)

    async def _subscribe_all(self) -> None:
        """What we handle is written down before any of it is looked for."""
        for worker in self.workers.values():
            while not self.stop.is_set() and not await worker.quietly(worker.subscribe):
                continue
        loops = [loop for worker in self.workers.values() for loop in _loops(worker)]
        self._tasks = [
            asyncio.create_task(loop) for loop in (look_for_due(self.workers, self._sessions, self.stop), *loops)
        ]

    async def _redis_answers(self) -> None:
        """FastStream would end the process if it did not; what is due goes on meanwhile."""
        while not self.stop.is_set():
            try:
                await self._redis.ping()
            except (RedisError, OSError) as error:
                log.warning("worker.waits_for_redis", error=one_line(error))
                await pause(self.stop, START_RETRY_SECONDS)
            else:
                return

    async def _say_ready(self) -> None:
        log.info("worker.ready", worker=self.worker_id, consumers=list(self.workers))

    async def _stop_starting(self) -> None:
        if not self.stop.is_set():
            end_within(STOP_SECONDS)
        self.stop.set()
        for worker in self.workers.values():
            worker.attempts.stop_starting()

    async def _drain(self) -> None:
        await self._stop_starting()
        await asyncio.gather(*(worker.finish_batches(BATCH_GRACE_SECONDS) for worker in self.workers.values()))
        await asyncio.gather(*self._tasks)
        await asyncio.gather(*(worker.attempts.drain(GRACE_SECONDS) for worker in self.workers.values()))
        await asyncio.gather(*(worker.leave() for worker in self.workers.values()))
        log.info("worker.stopped", worker=self.worker_id)


def _loops(worker: ConsumerWorker) -> list[Any]:
    return [worker.try_due(), worker.keep_leases(), worker.look_for_abandoned()]


@asynccontextmanager
async def _resources(settings: Settings) -> AsyncIterator[tuple[Sessions, Redis, Mapping[str, Any]]]:
    async with AsyncExitStack() as stack:
        engine = create_engine(settings.database_url, application_name="waybill-worker", pool_size=24)
        stack.push_async_callback(engine.dispose)
        redis = streams.connect(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        storage = await stack.enter_async_context(Storage.connect(settings))
        sessions, mailer = session_factory(engine), Mailer.of(settings)
        resources = {"storage": storage, "settings": settings, "redis": redis, "sessions": sessions, "mailer": mailer}
        yield sessions, redis, resources


async def _as_it_is(message: Any) -> RedisBatchStreamMessage:
    """FastStream's default parser expects its own envelope; ours leaves an entry as the relay wrote it."""
    return RedisBatchStreamMessage(message, body=b"", consumer=None, group=None)  # type: ignore[arg-type]


async def _entries(message: RedisBatchStreamMessage) -> Any:
    raw = message.raw_message
    return list(zip(raw["message_ids"], raw["data"], strict=True))
