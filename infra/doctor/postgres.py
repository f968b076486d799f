"""Postgres: reachable, new enough, at the newest schema, losing nothing, and of one mind with us about the time."""

from datetime import UTC, datetime

from infra.connection import connect, schema
from infra.doctor.line import Line, fail, ok, warn
from infra.settings import Settings

PART = "postgres"
OLDEST = 14
ENOUGH_CONNECTIONS = 60
"""An API, a relay, a worker and a scheduler take some 45."""
MOST_SKEW_SECONDS = 5.0
SETTINGS = ("server_version_num", "synchronous_commit", "fsync", "full_page_writes", "max_connections")


async def postgres(settings: Settings, head: str) -> list[Line]:
    """`head` is the schema that this code needs."""
    connection = await connect(settings.database_url, application_name="waybill-doctor")
    try:
        found = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in SETTINGS}
        moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
        skew = abs((datetime.now(UTC) - moment).total_seconds())
        at = await schema(connection)
    finally:
        await connection.close()
    return [_version(int(found["server_version_num"])), _schema(at, head), *_settings(found), _clock(skew)]


def _version(number: int) -> Line:
    said = f"version {number // 10000}.{number % 10000}"
    if number // 10000 < OLDEST:
        return fail(PART, said, f"use Postgres {OLDEST} or newer")
    return ok(PART, said)


def _schema(at: str | None, head: str) -> Line:
    if at == head:
        return ok(PART, f"schema {at}, the newest")
    return fail(PART, f"schema {at or 'missing'}, and this version needs {head}", "run `waybill migrate`")


def _settings(found: dict[str, str]) -> list[Line]:
    lines = [
        fail(PART, f"{name} is off: a crash loses what was acknowledged", f"set {name} = on")
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if found[name] == "off"
    ]
    if int(found["max_connections"]) < ENOUGH_CONNECTIONS:
        said = f"max_connections is {found['max_connections']}"
        lines.append(warn(PART, said, f"raise it to {ENOUGH_CONNECTIONS} or more: one process of each kind takes 45"))
    return lines or [ok(PART, "a commit that was acknowledged stays")]


def _clock(skew: float) -> Line:
    if skew > MOST_SKEW_SECONDS:
        return warn(PART, f"its clock and ours are {skew:.0f} s apart", "run NTP on both machines")
    return ok(PART, f"its clock is ours, to {skew * 1000:.0f} ms")
