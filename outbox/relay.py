"""The relay makes the streams a view of the outbox: it numbers committed rows, then compares and appends.

Any number of relays may run. Positions are given under a lock; an append happens only where the stream ends as the
relay believes, so a relay that was paused, doubled, or talks to a Redis that lost data can only repeat the truth.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra import streams
from infra.connection import UNREACHABLE, connect
from infra.failpoints import failpoint
from infra.waiting import pause
from outbox.envelope import cloud_event
from outbox.relay_health import RelayHealth, Tally

log = structlog.get_logger(__name__)

SEQUENCING_LOCK = 0x5741_5942_494C_4C01
BATCH = 1000
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Of event data in one append: Redis does nothing else while a script runs."""
IDLE_SECONDS = 0.01
CHECK_SECONDS = 1.0
"""How often an idle relay asks Redis whether it still has what it had."""
MAX_BACKOFF_SECONDS = 5.0

# The lock is taken by a statement of its own: one that waits inside itself would number rows on an older snapshot.
SEQUENCE = f"""
BEGIN;
SELECT pg_advisory_xact_lock({SEQUENCING_LOCK});
UPDATE outbox SET position = numbered.position
FROM (
    SELECT event_id, (SELECT coalesce(max(position), 0) FROM outbox) + row_number() OVER (ORDER BY id) AS position
    FROM (SELECT event_id, id FROM outbox WHERE position IS NULL ORDER BY id LIMIT {BATCH}) committed
) numbered
WHERE outbox.event_id = numbered.event_id;
COMMIT
"""

ANY_UNSEQUENCED = "SELECT EXISTS (SELECT FROM outbox WHERE position IS NULL)"

# Rows are compared, so that only the index over both columns will do: with `stream = … AND position > …` the planner
# may go by position alone, through a million events of another stream.
AFTER_CURSORS = f"""
SELECT message.position, message.event_id, message.stream, message.type, message.subject,
    message.data::text AS data, message.traceparent, message.recorded_at
FROM unnest($1::text[], $2::bigint[]) AS cursor (stream, position)
CROSS JOIN LATERAL (
    SELECT * FROM outbox
    WHERE (outbox.stream, outbox.position) > (cursor.stream, cursor.position) AND outbox.stream <= cursor.stream
    ORDER BY outbox.stream, outbox.position LIMIT {BATCH}
) message
ORDER BY message.position
"""


class StreamAhead(Exception):
    """A stream has entries that the outbox does not know: the database is older than Redis."""

    def __init__(self, stream: str, last_id: str, newest: int) -> None:
        super().__init__(
            f"stream {stream} ends at {last_id}, but the outbox only at {newest}: was the database restored from an"
            f" older backup? Nothing is appended until the two agree: waybill streams rebuild {stream}"
        )


class Relay:
    """A connection to Postgres, a client of Redis, and for each stream a belief of where it ends."""

    def __init__(
        self, connection: asyncpg.Connection, redis: Redis, stream_names: Sequence[str], tally: Tally | None = None
    ) -> None:
        self._connection = connection
        self._redis = redis
        self._tally = tally or Tally()
        self._cursors: dict[str, str | None] = dict.fromkeys(stream_names)

    async def step(self) -> int:
        """Number what was committed and append what the streams lack.

        Returns:
            How many entries were appended.

        Raises:
            StreamAhead: if a stream is newer than the outbox.

        """
        await self._learn_cursors()
        if await self._connection.fetchval(ANY_UNSEQUENCED):
            await self._connection.execute(SEQUENCE)
            failpoint("relay.after_sequence")
        positions = [streams.position(cursor or streams.START) for cursor in self._cursors.values()]
        rows = await self._connection.fetch(AFTER_CURSORS, list(self._cursors), positions)
        return sum([await self._append(stream, rows) for stream in self._cursors])

    @property
    def is_sure(self) -> bool:
        """Whether every stream was found to end where it was believed to."""
        return None not in self._cursors.values()

    def doubt(self) -> None:
        """Believe nothing any more of where the streams end: ask Redis again before the next append."""
        self._cursors = dict.fromkeys(self._cursors)

    async def _learn_cursors(self) -> None:
        unknown = [stream for stream, cursor in self._cursors.items() if cursor is None]
        for stream in unknown:
            last_id = await streams.last_id(self._redis, stream)
            newest = await self._connection.fetchval("SELECT coalesce(max(position), 0) FROM outbox")
            if streams.position(last_id) > newest:
                raise StreamAhead(stream, last_id, newest)
            self._cursors[stream] = last_id

    async def _append(self, stream: str, rows: Sequence[Any]) -> int:
        """Append this stream's rows; where the stream ends elsewhere than believed, take that as the new belief."""
        entries = entries_of(row for row in rows if row["stream"] == stream)
        believed = self._cursors[stream]
        if not entries or believed is None:
            return 0
        last_id = await streams.append(self._redis, stream, believed=believed, entries=entries)
        failpoint("relay.after_append")
        if last_id == entries[-1][0]:
            self._cursors[stream] = last_id
            self._tally.batches += 1
            self._tally.entries += len(entries)
            return len(entries)
        self._tally.conflicts[stream] += 1
        log.info("relay.conflict", stream=stream, believed=believed, found=last_id)
        self._cursors[stream] = None
        return 0


async def run(
    database_url: str,
    redis: Redis,
    stream_names: Sequence[str],
    stop: asyncio.Event,
    health: RelayHealth | None = None,
) -> None:
    """Relay until told to stop, through whatever happens to Postgres and Redis. Raises StreamAhead."""
    health = health or RelayHealth()
    failures = 0
    while not stop.is_set():
        try:
            connection = await connect(database_url, application_name="waybill-relay")
            try:
                relay = Relay(connection, redis, stream_names, health.tally)
                await relay.step()
                failures = 0
                health.works()
                await _poll(relay, stop, health)
            finally:
                connection.terminate()
        except StreamAhead as error:
            health.fails("streams", error)
            raise
        except (*UNREACHABLE, RedisError) as error:
            failures += 1
            health.fails("redis" if isinstance(error, RedisError) else "postgres", error)
            delay = backoff(failures)
            log.warning("relay.unreachable", error=str(error) or type(error).__name__, retry_in=round(delay, 2))
            await pause(stop, delay)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: twice as long each time, up to a limit, with jitter."""
    longest: float = min(MAX_BACKOFF_SECONDS, 0.05 * 2 ** min(failures, 16))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - jitter


async def _poll(relay: Relay, stop: asyncio.Event, health: RelayHealth) -> None:
    loop = asyncio.get_running_loop()
    checked = loop.time()
    while not stop.is_set():
        appended = await relay.step()
        health.works()
        if appended:
            continue
        if loop.time() - checked > CHECK_SECONDS:
            checked = loop.time()
            relay.doubt()
        await pause(stop, IDLE_SECONDS)


def entries_of(rows: Any) -> list[streams.Entry]:
    """As many of these rows as one append may carry."""
    entries: list[streams.Entry] = []
    size = 0
    for row in rows:
        size += len(row["data"])
        if entries and size > MAX_BATCH_BYTES:
            break
        entries.append((f"{row['position']}-0", cloud_event(row)))
    return entries
