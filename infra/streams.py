"""Redis Streams: append only where the stream ends as believed, and groups that come back by themselves."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Self

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ResponseError

START: Final = "0-0"
"""The last id of a stream that has no entry."""
CONNECTIONS = 64
PAGE = 1000
"""Entries looked at in one call: Redis does nothing else meanwhile."""
CONNECT_TIMEOUT = 5.0
"""Seconds, also to wait for a free connection."""

LAST_GENERATED_ID = """
local function last_generated_id(key)
  if redis.call('EXISTS', key) == 0 then return '0-0' end
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end
"""
COMPARE_AND_APPEND = f"""{LAST_GENERATED_ID}
local last = last_generated_id(KEYS[1])
if last ~= ARGV[1] then return last end
for _, entry in ipairs(cmsgpack.unpack(ARGV[2])) do
  last = redis.call('XADD', KEYS[1], unpack(entry))
end
return last
"""
"""KEYS[1] stream; ARGV: the last id we believe in, and the entries, each its id and its fields, as MessagePack.

One argument for all of them: a thousand entries as 24,000 arguments take redis-py, and Redis, twice as long.
"""

LEAVE_GROUP = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""

Entry = tuple[str, Mapping[str, str]]


class StreamClient(Redis):
    """A Redis client whose consumer groups cannot vanish: a missing one is created again, from the stream's start.

    Deliveries make reading again harmless; a group created at the stream's end would skip what came before.
    """

    @classmethod
    def of(cls, redis_url: str) -> Self:
        """A client with a bounded pool; replies are bytes."""
        pool = BlockingConnectionPool.from_url(
            redis_url, max_connections=CONNECTIONS, timeout=CONNECT_TIMEOUT, socket_connect_timeout=CONNECT_TIMEOUT
        )
        client = cls(connection_pool=pool)
        client.auto_close_connection_pool = True
        return client

    async def xgroup_create(  # type: ignore[override]
        self,
        name: Any,
        groupname: Any,
        id: Any = START,  # noqa: A002 - redis-py's name for it
        **options: Any,
    ) -> Any:
        return await super().xgroup_create(name, groupname, id=START, mkstream=True)

    async def xreadgroup(  # type: ignore[override]
        self, groupname: Any, consumername: Any, streams: Any, **options: Any
    ) -> Any:
        """Read for a consumer of a group, as in redis-py; heals a group that is not there (any more)."""
        try:
            return await super().xreadgroup(groupname, consumername, streams, **options)
        except ResponseError as error:
            if not _group_is_missing(error):
                raise
        for stream in streams:
            await ensure_group(self, stream, groupname)
        return []


def connect(redis_url: str) -> StreamClient:
    return StreamClient.of(redis_url)


async def ensure_group(redis: Redis, stream: str, group: str) -> None:
    try:
        await redis.xgroup_create(stream, group, id=START, mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


async def leave_group(redis: Redis, stream: str, group: str, consumer: str) -> None:
    """Remove a consumer that has nothing pending: Redis would forget what it had fetched."""
    await redis.eval(LEAVE_GROUP, 1, stream, group, consumer)


async def destroy_group(redis: Redis, stream: str, group: str) -> None:
    """Forget a group, where there is one."""
    if await redis.exists(stream):
        await redis.xgroup_destroy(stream, group)


async def append(redis: Redis, stream: str, *, believed: str, entries: Sequence[Entry] = ()) -> str:
    """Append `entries` if the stream's last id is the one believed in; without entries, only ask.

    Returns:
        The stream's last id now. If it is not that of the last entry, the belief was wrong and nothing was appended.

    """
    packed = msgspec.msgpack.encode([[entry_id, *chain(*fields.items())] for entry_id, fields in entries])
    answer = await _script(redis)(keys=[stream], args=[believed, packed])
    return str(answer, "ascii") if isinstance(answer, bytes) else str(answer)


async def last_id(redis: Redis, stream: str) -> str:
    """The id of the last entry that the stream ever had."""
    return await append(redis, stream, believed="?")


def position(entry_id: str) -> int:
    """The position of an event, which is the first half of its entry's id."""
    return int(entry_id.partition("-")[0])


async def trim_before(redis: Redis, stream: str, entry_id: str) -> None:
    """Remove every entry before this one."""
    await redis.xtrim(stream, minid=entry_id, approximate=False)


async def keep_only(redis: Redis, stream: str, kept: Collection[str], *, first: int, last: int) -> None:
    """Remove all but these entries, of those whose ids begin with `first` to `last`."""
    lowest = str(first)
    while entries := await _ids(redis, stream, lowest, str(last)):
        if gone := [entry_id for entry_id in entries if entry_id not in kept]:
            await redis.xdel(stream, *gone)
        lowest = f"({entries[-1]}"


async def missing(redis: Redis, stream: str, ids: Iterable[bytes]) -> list[bytes]:
    """Those of these entries that are not in the stream."""
    asked = list(ids)
    async with redis.pipeline(transaction=False) as pipeline:
        for entry_id in asked:
            pipeline.xrange(stream, entry_id, entry_id)
        return [entry_id for entry_id, found in zip(asked, await pipeline.execute(), strict=True) if not found]


async def _ids(redis: Redis, stream: str, lowest: str, highest: str) -> list[str]:
    entries: Any = await redis.xrange(stream, lowest, highest, count=PAGE)
    return [entry_id.decode() for entry_id, _ in entries]


def _script(redis: Redis) -> Any:
    return redis.register_script(COMPARE_AND_APPEND)


def _group_is_missing(error: ResponseError) -> bool:
    """The group is not there, or its stream was deleted while we were waiting on it."""
    return str(error).startswith(("NOGROUP", "UNBLOCKED"))
