"""Who is known can be listed; whom the code no longer has can be forgotten, and then owes nothing."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from domain.aggregate import now
from outbox import retention
from outbox.claims import claim
from outbox.delivery import Arrival, State
from tests.database import Database
from tests.factories import a_file_available, a_file_uploaded
from tests.outbox.conftest import History, Run, answer
from tests.outbox.running_relay import until

STREAM = "waybill:files"


async def test_everybody_known_is_listed_with_what_is_unfinished(waybill: Run, history: History) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    await history.deliver("finalize_upload")
    await history.deliver("count_renames", error="no", where="position = 2")

    listed = await waybill("consumers", "list", "--json")

    assert answer(listed) == [
        {
            "name": "count_renames",
            "in_code": False,
            "types": [{"type": "file.uploaded", "since": 0, "in_code": False}],
            "open": 0,
            "dead": 1,
        },
        {
            "name": "finalize_upload",
            "in_code": True,
            "types": [{"type": "file.uploaded", "since": 0, "in_code": True}],
            "open": 0,
            "dead": 0,
        },
    ]


async def test_who_is_forgotten_owes_nothing_and_has_no_group(
    waybill: Run, history: History, database: Database, redis: Redis
) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    await history.deliver("finalize_upload")
    await history.deliver("count_renames", error="no", where="position = 2")
    for group in ("finalize_upload", "count_renames"):
        await redis.xgroup_create(STREAM, group, id="0")

    forgotten = await waybill("consumers", "forget", "count_renames", "--yes", "--json")

    assert answer(forgotten) == {"forgotten": 1}
    assert [each["name"] for each in answer(await waybill("consumers", "list", "--json"))] == ["finalize_upload"]
    assert [group["name"] for group in await redis.xinfo_groups(STREAM)] == [b"finalize_upload"]
    async with database.sessions.begin() as session:
        await retention.prune(session, before=now() + timedelta(days=1), after=0)
    assert await database.rows("SELECT position FROM outbox") == [(3,)]


async def test_one_type_can_be_forgotten_that_the_code_no_longer_handles(
    waybill: Run, history: History, database: Database, redis: Redis
) -> None:
    await history.publish(a_file_uploaded(), a_file_available())
    await history.deliver("finalize_upload")
    await redis.xgroup_create(STREAM, "finalize_upload", id="0")

    forgotten = await waybill("consumers", "forget", "finalize_upload", "--type", "file.available", "--yes", "--json")

    assert answer(forgotten) == {"forgotten": 1}
    assert await database.rows("SELECT type FROM subscriptions") == [("file.uploaded",)]
    assert await database.rows("SELECT position FROM deliveries") == [(1,)]
    assert len(await redis.xinfo_groups(STREAM)) == 1


async def test_whom_the_code_still_has_is_not_forgotten(waybill: Run, history: History, database: Database) -> None:
    await history.publish(a_file_uploaded())
    await history.deliver("finalize_upload")

    whole = await waybill("consumers", "forget", "finalize_upload", "--yes")
    part = await waybill("consumers", "forget", "finalize_upload", "--type", "file.uploaded", "--yes")

    assert (whole.exit_code, part.exit_code) == (1, 1)
    assert whole.stderr == "waybill: the code still has finalize_upload\n"
    assert len(await database.rows("SELECT 1 FROM subscriptions, deliveries")) == 1


async def test_it_asks_first_and_knows_who_is_meant(waybill: Run, history: History, database: Database) -> None:
    await history.publish(a_file_uploaded())
    await history.deliver("count_renames")

    assert (await waybill("consumers", "forget", "count_renames", input="n\n")).exit_code == 1
    unknown = await waybill("consumers", "forget", "nobody", "--yes")

    assert (unknown.exit_code, unknown.stderr) == (
        1,
        "waybill: no consumer is called nobody; there are count_renames\n",
    )
    assert len(await database.rows("SELECT 1 FROM subscriptions")) == 1


async def test_what_is_claimed_while_its_consumer_is_forgotten_is_forgotten_too(
    waybill: Run, history: History, database: Database
) -> None:
    """It would hold up its subject for ever, should the consumer come back."""
    await history.publish(a_file_uploaded())
    ((event_id, subject),) = await database.rows("SELECT event_id, subject FROM outbox")
    await database.execute("INSERT INTO subscriptions VALUES ('count_renames', 'file.uploaded', 0)")
    arrivals, lease = [Arrival(1, event_id, subject, "file.uploaded")], timedelta(minutes=1)
    async with database.sessions.begin() as session:
        await claim(session, "count_renames", ["file.uploaded"], arrivals, state=State.RUNNING, lease=lease)
        forgetting = asyncio.ensure_future(waybill("consumers", "forget", "count_renames", "--yes", "--json"))
        await until(lambda: database.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

    assert answer(await forgetting)["forgotten"] == 1
    assert await database.rows("SELECT 1 FROM deliveries WHERE consumer = 'count_renames'") == []
