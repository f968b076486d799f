"""The daily tick: prune, and trim what is committed, part by part until there is nothing old left."""

from datetime import timedelta

from redis.asyncio import Redis

from consumers.handlers.apply_retention import apply_retention
from domain.aggregate import now
from domain.schedule.events import RetentionDue
from infra.settings import Settings
from tests.consumers.handlers.conftest import Handle
from tests.consumers.steps import STREAM, publish
from tests.database import Database
from tests.factories import a_file_uploaded


async def next_part(database: Database, part: int) -> RetentionDue | None:
    events = [event for event in await database.recorded() if isinstance(event, RetentionDue)]
    return next((event for event in events if event.part == part), None)


async def test_rows_go_first_and_their_entries_with_the_next_part(
    handle: Handle, database: Database, redis: Redis, settings: Settings
) -> None:
    await publish(database, redis, *(a_file_uploaded() for _ in range(3)))
    tick = RetentionDue(due_at=now() + timedelta(days=settings.retention_days))

    await handle(apply_retention, tick, redis, settings)
    assert await database.rows("SELECT position FROM outbox WHERE position > 0") == [(3,)]
    assert await redis.xlen(STREAM) == 3
    rest = await next_part(database, 1)
    assert rest is not None
    assert (rest.due_at, rest.trimmed, rest.cursor) == (tick.due_at, 0, 3)
    await handle(apply_retention, rest, redis, settings)

    assert await redis.xlen(STREAM) == 1
    assert await next_part(database, 2) is None


async def test_a_second_time_finds_nothing_to_do(
    handle: Handle, database: Database, redis: Redis, settings: Settings
) -> None:
    await publish(database, redis, *(a_file_uploaded() for _ in range(3)))
    tick = RetentionDue(due_at=now() + timedelta(days=settings.retention_days))

    for _ in range(2):
        await handle(apply_retention, tick, redis, settings)

    assert len(await database.recorded()) == 2


async def test_a_day_without_anything_old_is_one_part(
    handle: Handle, database: Database, redis: Redis, settings: Settings
) -> None:
    await publish(database, redis, a_file_uploaded(), a_file_uploaded())

    await handle(apply_retention, RetentionDue(due_at=now()), redis, settings)

    assert len(await database.recorded()) == await redis.xlen(STREAM) == 2


async def test_commands_alone_are_a_next_part_too(
    handle: Handle, database: Database, redis: Redis, settings: Settings
) -> None:
    await database.execute("""
        INSERT INTO commands (id, name, actor, request_id, status, recorded_at)
        VALUES (gen_random_uuid(), 'POST /v1/files', 'anonymous', '', 202, now() - interval '31 days')
    """)

    await handle(apply_retention, RetentionDue(due_at=now()), redis, settings)

    assert await database.rows("SELECT 1 FROM commands") == []
    assert await next_part(database, 1) is not None
