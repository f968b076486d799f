"""The daily tick: prune, and trim what is committed, part by part until there is nothing old left."""

from datetime import timedelta

from redis.asyncio import Redis

from consumers.handlers.apply_retention import apply_retention
from domain.accounts.model import Account
from domain.accounts.one_time import Purpose, mint
from domain.aggregate import now
from domain.schedule.events import RetentionDue
from domain.sessions.model import Session, issue
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


async def test_credentials_that_ran_out_long_ago_are_forgotten_and_no_others(
    handle: Handle, owner: Account, database: Database, redis: Redis, settings: Settings
) -> None:
    old, recent = now() - timedelta(days=settings.retention_days, minutes=1), now() - timedelta(days=1)
    for expires_at in (old, recent):
        begun, minted = Session.begin(owner.id, user_agent=None), mint(owner.id, Purpose.VERIFICATION).stored
        begun.expires_at = minted.expires_at = expires_at
        async with database.sessions.begin() as session:
            session.add(begun)
            await session.flush()
            session.add_all([issue(begun)[1], minted])

    await handle(apply_retention, RetentionDue(due_at=now()), redis, settings)

    for table in ("sessions", "refresh_tokens", "one_time_tokens"):
        assert await database.rows(f"SELECT expires_at FROM {table}") == [(recent,)]  # noqa: S608
    assert await next_part(database, 1) is not None
