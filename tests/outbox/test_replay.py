"""A replay makes exactly the chosen deliveries due again, says who asked, can be stopped, and copies for others."""

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.accounts.events import AccountRegistered
from domain.aggregate import new_id, now
from infra import streams
from outbox import replaying
from outbox.selection import Selection
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History, Run, answer

SUBJECT = new_id()


@pytest.fixture(autouse=True)
async def past(history: History) -> None:
    """Positions 1 to 6, all done for `finalize_upload` but 6, which is dead; 3 is of SUBJECT, 4 of another type."""
    await history.publish(*(a_file_uploaded() for _ in range(2)), a_file_uploaded(file_id=SUBJECT))
    await history.publish(AccountRegistered(account_id=new_id(), email="a@example.com", name=None))
    await history.publish(a_file_uploaded(), a_file_uploaded())
    for consumer in ("finalize_upload", "somebody_else"):
        await history.deliver(consumer, where="type = 'file.uploaded' AND position < 6")
        await history.deliver(consumer, error="no", where="position = 6")


async def due(database: Database, consumer: str = "finalize_upload") -> list[int]:
    query = "SELECT position FROM deliveries WHERE state = 'due' AND consumer = :c ORDER BY position"
    return [row.position for row in await database.rows(query, c=consumer)]


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        ((), [1, 2, 3, 5, 6]),
        (("--type", "file.up*"), [1, 2, 3, 5, 6]),
        (("--type", "account.*"), []),
        (("--subject", str(SUBJECT)), [3]),
        (("--after", "2"), [3, 5, 6]),
        (("--after", "1", "--before", "6"), [2, 3, 5]),
        (("--before", "2000-01-01T00:00:00Z"), []),
        (("--after", (now() - timedelta(hours=1)).isoformat()), [1, 2, 3, 5, 6]),
    ],
)
async def test_exactly_what_was_chosen_is_due_again_and_nobody_else_is_touched(
    options: tuple[str, ...], positions: list[int], waybill: Run, database: Database
) -> None:
    result = await waybill("replay", "--consumer", "finalize_upload", *options, "--yes", "--json")

    assert result.exit_code == 0, result.stderr
    assert await due(database) == positions
    assert await due(database, "somebody_else") == []
    assert (answer(result)["total"], answer(result)["replayed"], answer(result)["state"]) == (
        len(positions),
        len(positions),
        "done",
    )


async def test_a_dry_run_counts_and_shows_and_changes_nothing(waybill: Run, database: Database) -> None:
    result = await waybill("replay", "--consumer", "finalize_upload", "--dry-run", "--json")

    assert answer(result)["total"] == 5
    assert [each["position"] for each in answer(result)["first"]] == [1, 2, 3, 5, 6]
    assert await due(database) == []
    assert answer(await waybill("replays", "list", "--json")) == []


async def test_it_asks_first(waybill: Run, database: Database) -> None:
    result = await waybill("replay", "--consumer", "finalize_upload", input="n\n")

    assert result.exit_code == 1
    assert await due(database) == []


async def test_who_when_and_why_are_kept(waybill: Run) -> None:
    await waybill("replay", "--consumer", "finalize_upload", "--after", "2", "--yes", "--why", "new sniffing")

    (kept,) = answer(await waybill("replays", "list", "--json"))
    assert (kept["consumer"], kept["reason"], kept["selection"]) == ("finalize_upload", "new sniffing", {"after": 2})
    assert kept["requested_by"]
    assert kept["ended_at"] is not None


async def test_cancelling_takes_back_what_nobody_has_begun(waybill: Run, database: Database) -> None:
    begun = answer(await waybill("replay", "--consumer", "finalize_upload", "--yes", "--json"))
    await database.execute("UPDATE deliveries SET attempts = 1 WHERE position = 1")

    result = await waybill("replays", "cancel", begun["id"], "--json")

    assert answer(result)["taken_back"] == 4
    rows = await database.rows("SELECT position, state FROM deliveries WHERE consumer = 'finalize_upload' ORDER BY 1")
    assert rows == [(1, "due"), (2, "done"), (3, "done"), (5, "done"), (6, "dead")]


async def test_a_cancelled_replay_goes_no_further(database: Database, redis: Redis) -> None:
    selection = Selection(types=["file.uploaded"])
    begun = await replaying.begin(
        database.sessions, selection, consumer="finalize_upload", to_stream=None, by="ada", why=""
    )
    await replaying.cancel(database.sessions, begun.id)

    assert await replaying.run(database.sessions, redis, begun, selection) == "cancelled"
    assert await due(database) == []


async def test_past_events_are_copied_into_another_stream_once(waybill: Run, redis: Redis) -> None:
    for _ in range(2):
        result = await waybill("replay", "--to-stream", "mine", "--type", "file.*", "--yes")
        assert result.exit_code == 0, result.stderr

    found: Any = await redis.xrange("mine")
    original: Any = await redis.xrange("waybill:files")
    assert found == original


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either --consumer or --to-stream"),
        (("--consumer", "nobody"), "no consumer is called nobody; there are apply_retention, close_account"),
        (("--to-stream", "waybill:files"), "the relay's own"),
        (("--consumer", "index_file", "--after", "soon"), "neither a position nor a time"),
    ],
)
async def test_bad_input_is_one_clear_line(arguments: tuple[str, ...], message: str, waybill: Run) -> None:
    result = await waybill("replay", *arguments, "--yes")

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


async def test_cancelling_takes_away_what_was_never_owed(waybill: Run, history: History, database: Database) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(3)))
    await database.execute("DELETE FROM deliveries")
    await database.execute("UPDATE subscriptions SET since = 1000000")
    begun = answer(await waybill("replay", "--consumer", "finalize_upload", "--yes", "--json"))

    assert answer(await waybill("replays", "cancel", begun["id"], "--json"))["taken_back"] == begun["replayed"]
    assert await database.rows("SELECT 1 FROM deliveries") == []


async def test_a_copy_goes_on_where_somebody_else_has_appended_meanwhile(
    waybill: Run, history: History, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await history.publish(a_file_uploaded())
    last_id = streams.last_id

    async def and_then_somebody_appends(client: Redis, key: str) -> str:
        last = await last_id(client, key)
        await client.xadd(key, {"of": "theirs"}, id="0-1")
        return str(last)

    monkeypatch.setattr(streams, "last_id", and_then_somebody_appends)
    copied = answer(await waybill("replay", "--to-stream", "theirs", "--yes", "--json"))

    assert await redis.xlen("theirs") == 1 + copied["total"]
