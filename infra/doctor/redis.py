"""Redis: reachable, new enough, persistent, and never throwing away what it holds."""

from typing import Any

from redis.exceptions import ResponseError

from infra import streams
from infra.doctor.line import Line, fail, ok, warn
from infra.settings import Settings

PART = "redis"
OLDEST = (6, 2)
NEARLY_FULL = 0.8


async def redis(settings: Settings) -> list[Line]:
    client = streams.connect(settings.redis_url)
    try:
        info: dict[str, Any] = await client.info()
        return [_version(info), _persistence(info), _policy(info), _memory(info)]
    except ResponseError as error:
        return [fail(PART, str(error), "let its user call INFO")]
    finally:
        await client.aclose()


def _version(info: dict[str, Any]) -> Line:
    name = "valkey" if "valkey_version" in info else "redis"
    version = str(info.get("valkey_version") or info["redis_version"])
    if tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) < OLDEST:
        return fail(PART, f"{name} {version}", "use Redis 6.2, Valkey 7.2 or newer")
    return ok(PART, f"{name} {version}")


def _persistence(info: dict[str, Any]) -> Line:
    if int(info.get("aof_enabled", 0)):
        if info.get("aof_last_write_status", "ok") != "ok":
            return fail(PART, "its last write of the append-only file failed", "look at its disk and its log")
        return ok(PART, "persistence: append-only file")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return fail(PART, "its last snapshot failed", "look at its disk and its log")
    todo = "set appendonly yes: after a crash the relay fills the streams again, but positions of readers are lost"
    return warn(PART, "persistence: snapshots at most", todo)


def _policy(info: dict[str, Any]) -> Line:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ok(PART, "maxmemory-policy noeviction")
    said = f"maxmemory-policy {policy}: streams and rate limits may vanish"
    return (fail if str(policy).startswith("allkeys") else warn)(PART, said, "set maxmemory-policy noeviction")


def _memory(info: dict[str, Any]) -> Line:
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    said = f"{used // 2**20} MiB used" + (f" of {most // 2**20}" if most else "")
    if most and used > NEARLY_FULL * most:
        return warn(PART, said, "raise maxmemory, or lower WAYBILL_RETENTION_DAYS")
    return ok(PART, said)
