"""What was given up can be seen, tried again and discarded, and nothing else is touched."""

import pytest

from outbox import dead_letters
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History, Run, answer

ERROR = "Traceback (most recent call last):\n  …\nRuntimeError: file {n} has \x1b[31mgone\x1b[0m\n"


@pytest.fixture(autouse=True)
async def dead(history: History) -> None:
    """Positions 1 to 4: two dead for `index_file` and one for `send_mail`; 4 is done for everybody."""
    await history.publish(*(a_file_uploaded() for _ in range(4)))
    await history.deliver("index_file", error=ERROR.format(n=1), where="position = 1")
    await history.deliver("index_file", error=ERROR.format(n=2), where="position = 2")
    await history.deliver("send_mail", error="SMTPError: no", where="position = 3")
    await history.deliver("index_file", where="position = 4")


async def states(database: Database) -> dict[int, str]:
    return {row.position: row.state for row in await database.rows("SELECT position, state FROM deliveries")}


async def test_the_dead_are_grouped_by_what_went_wrong(waybill: Run) -> None:
    groups = answer(await waybill("dead", "list", "--json"))

    assert [(g["consumer"], g["count"], g["first_position"], g["last_position"]) for g in groups] == [
        ("index_file", 2, 1, 2),
        ("send_mail", 1, 3, 3),
    ]
    assert groups[0]["reason"].startswith("RuntimeError: file … has")


async def test_one_letter_is_shown_whole_and_safe_for_the_terminal(waybill: Run, database: Database) -> None:
    result = await waybill("dead", "show", "2")

    assert result.exit_code == 0
    ((event_id, subject),) = await database.rows("SELECT event_id, subject FROM outbox WHERE position = 2")
    for part in ("index_file", "file.uploaded", str(event_id), str(subject), "after 1 attempts", "Traceback"):
        assert part in result.stdout
    assert "\x1b[31m" not in result.stdout
    assert "\\x1b[31mgone" in result.stdout


async def test_redriving_makes_exactly_the_named_ones_due(waybill: Run, database: Database) -> None:
    ((event_id,),) = await database.rows("SELECT event_id FROM outbox WHERE position = 2")

    result = await waybill("dead", "redrive", str(event_id), "--json")

    assert answer(result) == {"redriven": 1}
    assert await states(database) == {1: "dead", 2: "due", 3: "dead", 4: "done"}


async def test_redriving_by_consumer_and_type(waybill: Run, database: Database) -> None:
    assert answer(await waybill("dead", "redrive", "--type", "account.*", "--json")) == {"redriven": 0}
    assert answer(await waybill("dead", "redrive", "--consumer", "index_file", "--type", "file.*", "--json")) == {
        "redriven": 2
    }

    assert await states(database) == {1: "due", 2: "due", 3: "dead", 4: "done"}


@pytest.mark.parametrize("action", ["redrive", "discard"])
async def test_naming_nothing_is_not_everything(action: str, waybill: Run, database: Database) -> None:
    result = await waybill("dead", action)

    assert result.exit_code == 2
    assert "--all" in result.stderr
    assert await states(database) == {1: "dead", 2: "dead", 3: "dead", 4: "done"}


async def test_discarding_asks_first(waybill: Run, database: Database) -> None:
    assert (await waybill("dead", "discard", "--all", input="n\n")).exit_code == 1
    assert await states(database) == {1: "dead", 2: "dead", 3: "dead", 4: "done"}


async def test_discarding_keeps_who_and_why(waybill: Run, database: Database) -> None:
    result = await waybill("dead", "discard", "--all", "--yes", "--why", "tested enough", "--json")

    assert answer(result) == {"discarded": 3}
    rows = await database.rows(
        "SELECT DISTINCT state, discard_reason, discarded_by <> '' FROM deliveries WHERE position < 4"
    )
    assert rows == [("discarded", "tested enough", True)]


async def test_an_id_that_is_none_is_bad_input(waybill: Run) -> None:
    result = await waybill("dead", "show", "nonsense")

    assert result.exit_code == 2
    assert "neither a position nor an event's id" in result.stderr


@pytest.mark.parametrize("action", ["redrive", "discard"])
async def test_many_are_a_chunk_at_a_time_and_none_that_dies_meanwhile(
    action: str, waybill: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "CHUNK", 1)
    as_if_later = "UPDATE deliveries SET updated_at = now() + interval '1 hour' WHERE position = 2"
    await database.execute(as_if_later)

    counted = answer(await waybill("dead", action, "--all", *(["--yes"] if action == "discard" else []), "--json"))

    assert list(counted.values()) == [2]
    assert [position for position, state in (await states(database)).items() if state == "dead"] == [2]
