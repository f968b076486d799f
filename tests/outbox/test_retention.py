"""What is old and finished for everybody leaves the outbox, then the streams; nothing else does, whatever crashes."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.accounts.events import AccountRegistered
from domain.aggregate import new_id, now
from domain.catalogue import STREAMS
from infra import failpoints
from outbox import retention
from outbox.claims import claim
from outbox.delivery import Arrival, Policy, State
from outbox.subscriptions import subscribe
from tests.database import Database
from tests.factories import a_file_available, a_file_uploaded
from tests.outbox.conftest import History, Run, answer

STREAM = "waybill:files"
UPLOADED = {"file.uploaded"}


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm(None)


async def an_old_past(history: History, count: int) -> None:
    """Events at positions 1 to `count`, of a month ago, and a new one behind them."""
    await history.publish(*(a_file_uploaded() for _ in range(count)))
    await history.database.execute("UPDATE outbox SET recorded_at = now() - interval '31 days'")
    await history.publish(a_file_uploaded())


async def forget(database: Database, redis: Redis, *, days: int = 30) -> None:
    """Retention from its first part to its last."""
    before, trimmed, pruned = now() - timedelta(days=days), -1, 0
    while trimmed < pruned:
        async with database.sessions.begin() as session:
            await retention.trim(session, redis, STREAMS, after=max(trimmed, 0), upto=pruned)
            trimmed, pruned = pruned, await retention.prune(session, before=before, after=pruned)


async def positions(database: Database, table: str = "outbox") -> list[int]:
    rows = await database.rows(f"SELECT DISTINCT position FROM {table} ORDER BY position")  # noqa: S608
    return [row.position for row in rows]


async def entries(redis: Redis) -> list[int]:
    found: Any = await redis.xrange(STREAM)
    return [int(entry_id.partition(b"-")[0]) for entry_id, _ in found]


async def somebody_waits(database: Database) -> None:
    """For a lock."""
    while not await database.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - it sets no event
        await asyncio.sleep(0.01)


async def test_what_is_old_and_finished_for_everybody_leaves_all_three(
    history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 3)
    await history.deliver("index_file")
    await history.deliver("send_mail")

    await forget(database, redis)

    assert await positions(database) == [4]
    assert await positions(database, "deliveries") == [4]
    assert await entries(redis) == [4]


@pytest.mark.parametrize("state", ["due", "running", "dead"])
async def test_what_somebody_has_not_finished_stays_however_old(
    state: str, history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 4)
    await history.deliver("index_file")
    await history.deliver("send_mail")
    await database.execute(
        "UPDATE deliveries SET state = :state WHERE position = 2 AND consumer = 'send_mail'", state=state
    )

    await forget(database, redis)

    assert await positions(database) == await entries(redis) == [2, 5]
    assert await database.rows("SELECT consumer FROM deliveries WHERE position = 2 ORDER BY 1") == [
        ("index_file",),
        ("send_mail",),
    ]


async def test_what_was_discarded_is_finished(history: History, database: Database, redis: Redis) -> None:
    await an_old_past(history, 1)
    await history.deliver("index_file")
    await database.execute("UPDATE deliveries SET state = 'discarded'")

    await forget(database, redis)

    assert await positions(database) == [2]


async def test_what_a_known_consumer_has_not_even_read_stays(
    history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 3)
    await history.deliver("index_file")
    await history.deliver("send_mail", where="position <> 2")

    await forget(database, redis)

    assert await positions(database) == [2, 4]


async def test_what_came_before_a_type_was_added_to_a_consumer_is_not_owed(
    history: History, database: Database, redis: Redis
) -> None:
    await history.publish(a_file_available())
    await an_old_past(history, 1)
    await history.deliver("index_file", where="type = 'file.uploaded'")
    async with database.sessions.begin() as session:
        await subscribe(session, "index_file", ["file.available"])

    await forget(database, redis)

    assert await positions(database) == [3]


async def test_what_is_replayed_to_somebody_who_did_not_owe_it_stays_until_it_is_done(
    waybill: Run, history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 2)
    replayed = await waybill("replay", "--consumer", "finalize_upload", "--before", "2", "--yes", "--json")
    assert answer(replayed)["replayed"] == 1

    await forget(database, redis)

    assert await positions(database) == [1, 3]


async def test_what_nobody_handles_goes_by_its_age_alone(history: History, database: Database, redis: Redis) -> None:
    await an_old_past(history, 2)

    await forget(database, redis)

    assert await positions(database) == await entries(redis) == [3]


async def test_what_is_young_stays(history: History, database: Database, redis: Redis) -> None:
    await an_old_past(history, 2)
    await history.deliver("index_file")

    await forget(database, redis, days=32)

    assert await positions(database) == await entries(redis) == [1, 2, 3]


async def test_the_newest_stays_so_that_numbering_goes_on(history: History, database: Database, redis: Redis) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))

    await forget(database, redis, days=0)
    await history.publish(a_file_uploaded())

    assert await positions(database) == await entries(redis) == [3, 4]


async def test_it_goes_on_from_batch_to_batch(
    history: History, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    await an_old_past(history, 9)
    await history.deliver("index_file")
    await history.deliver("index_file", where="position = 10")
    await database.execute("UPDATE deliveries SET state = 'dead' WHERE position IN (3, 4, 7)")

    await forget(database, redis)

    assert await positions(database) == await positions(database, "deliveries") == await entries(redis) == [3, 4, 7, 10]


async def test_a_stream_whose_events_have_all_gone_is_empty_and_fills_again(
    history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 2)
    await history.publish(AccountRegistered(account_id=new_id(), email="a@example.com", name=None))

    await forget(database, redis, days=0)
    assert await entries(redis) == []
    await history.publish(a_file_uploaded())

    assert await entries(redis) == [5]


async def test_after_flushall_what_is_rebuilt_is_what_the_outbox_still_has(
    history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 5)
    await history.deliver("index_file", where="position <> 3")
    await forget(database, redis)

    await redis.flushall()
    await history.publish()

    assert await positions(database) == await entries(redis) == [3, 6]


async def test_a_crash_between_the_rows_and_the_streams_is_made_good_by_the_next_part(
    history: History, database: Database, redis: Redis
) -> None:
    class Killed(Exception):
        pass

    def kill(name: str) -> None:
        if name == "retention.before_trim":
            raise Killed

    await an_old_past(history, 5)
    await history.deliver("index_file", where="position <> 3")
    async with database.sessions.begin() as session:
        reached = await retention.prune(session, before=now() - timedelta(days=30), after=0)
    failpoints.arm(kill)
    async with database.sessions() as session:
        with pytest.raises(Killed):
            await retention.trim(session, redis, STREAMS, after=0, upto=reached)
    assert await entries(redis) == [1, 2, 3, 4, 5, 6]

    failpoints.arm(None)
    async with database.sessions() as session:
        for _ in range(2):
            await retention.trim(session, redis, STREAMS, after=0, upto=reached)

    assert await positions(database) == await entries(redis) == [3, 6]


async def test_what_an_older_redis_brings_back_is_removed_again(
    history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 5)
    await history.deliver("index_file", where="position <> 3")
    snapshot: Any = await redis.dump(STREAM)
    await forget(database, redis)
    await redis.restore(STREAM, 0, snapshot, replace=True)

    await forget(database, redis)

    assert await entries(redis) == [3, 6]


async def test_two_at_once_and_relays_that_append_meanwhile(
    history: History, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 7)
    await an_old_past(history, 200)
    await history.deliver("index_file", where="position % 50 <> 0")

    async def publish() -> None:
        for _ in range(20):
            await history.publish(a_file_uploaded())

    await asyncio.gather(publish(), *(forget(database, redis) for _ in range(2)))
    await forget(database, redis)

    assert await positions(database) == await entries(redis) == [50, 100, 150, 200, *range(201, 222)]


async def test_a_replay_and_retention_never_meet_in_one_event(
    waybill: Run, history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 50)
    await history.deliver("finalize_upload")
    async with database.sessions.begin() as session:
        await retention.prune(session, before=now() - timedelta(days=30), after=0)
        replaying = asyncio.ensure_future(waybill("replay", "--consumer", "finalize_upload", "--yes", "--json"))
        await somebody_waits(database)

    assert answer(await replaying)["replayed"] == 1
    assert await positions(database) == await positions(database, "deliveries") == [51]


async def test_what_is_forgotten_while_it_is_claimed_once_more_is_not_taken(
    history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 1)
    await history.deliver("index_file")
    ((event_id, subject),) = await database.rows("SELECT event_id, subject FROM outbox WHERE position = 1")

    async def claim_again() -> list[Arrival]:
        again = [Arrival(1, event_id, subject, "file.uploaded")]
        async with database.sessions.begin() as session:
            return await claim(session, "index_file", UPLOADED, again, state=State.DONE, lease=Policy().lease)

    async with database.sessions.begin() as session:
        await retention.prune(session, before=now() - timedelta(days=30), after=0)
        claiming = asyncio.create_task(claim_again())
        await somebody_waits(database)

    assert await claiming == []
    assert await positions(database, "deliveries") == [2]


async def test_who_subscribes_meanwhile_owes_what_is_left(history: History, database: Database, redis: Redis) -> None:
    await an_old_past(history, 2)

    async def subscribe_now() -> None:
        async with database.sessions.begin() as session:
            await subscribe(session, "newcomer", UPLOADED)

    async with database.sessions.begin() as session:
        await retention.prune(session, before=now() - timedelta(days=30), after=0)
        subscribing = asyncio.create_task(subscribe_now())
        await somebody_waits(database)
    await subscribing

    assert await positions(database) == [3]


async def test_old_commands_go_and_young_ones_stay(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    await database.execute("""
        INSERT INTO commands (id, name, actor, request_id, status, recorded_at)
        SELECT gen_random_uuid(), 'POST /v1/files', 'anonymous', n::text, 202, now() - n * interval '1 day'
        FROM generate_series(28, 33) n
    """)

    async with database.sessions.begin() as session:
        counts = [await retention.forget_commands(session, before=now() - timedelta(days=29.5)) for _ in range(3)]

    assert counts == [2, 2, 0]
    assert await database.rows("SELECT request_id FROM commands ORDER BY 1") == [("28",), ("29",)]


async def test_status_counts_what_a_group_has_not_read_though_entries_were_removed(
    waybill: Run, history: History, database: Database, redis: Redis
) -> None:
    await an_old_past(history, 5)
    await redis.xgroup_create(STREAM, "index_file", id="0")
    await redis.xreadgroup("index_file", "me", {STREAM: ">"}, count=1)
    await history.deliver("index_file", where="position <> 3")
    await history.deliver("send_mail", where="position <> 1")

    await forget(database, redis)

    ((group),) = await redis.xinfo_groups(STREAM)
    assert group["lag"] is None
    (found,) = [each for each in answer(await waybill("status", "--json"))["consumers"] if each["stream"] == STREAM]
    assert found["lag"] == 2
