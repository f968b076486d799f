"""The figures agree with the tables underneath, and the exit code says whether somebody should look."""

from redis.asyncio import Redis

from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History, Run, answer


async def test_an_idle_house_is_well(waybill: Run, history: History) -> None:
    await history.publish(a_file_uploaded())

    result = await waybill("status", "--json")

    assert result.exit_code == 0
    found = answer(result)
    assert found["problems"] == []
    assert found["outbox"] == {"unsequenced": 0, "oldest_seconds": None, "head": 1}
    assert {"name": "waybill:files", "length": 1, "last_id": "1-0", "head": 1} in found["streams"]


async def test_figures_agree_with_the_tables(waybill: Run, history: History, redis: Redis) -> None:
    await history.publish(*(a_file_uploaded() for _ in range(5)))
    await redis.xgroup_create("waybill:files", "index_file", id="0")
    await redis.xreadgroup("index_file", "me", {"waybill:files": ">"}, count=2)
    await history.deliver("index_file", error="no", where="position = 1")
    await history.database.record(a_file_uploaded())

    result = await waybill("status", "--json")

    (consumer,) = answer(result)["consumers"]
    assert (consumer["lag"], consumer["pending"], consumer["dead"], consumer["due"]) == (3, 2, 1, 0)
    assert answer(result)["outbox"]["unsequenced"] == 1
    assert result.exit_code == 1
    assert "index_file has 1 dead" in answer(result)["problems"][0]


async def test_a_backlog_is_a_problem_only_when_it_is_old(waybill: Run, database: Database) -> None:
    await database.record(a_file_uploaded())

    assert (await waybill("status")).exit_code == 0
    late = await waybill("status", "--patience", "0")

    assert late.exit_code == 1
    assert "is a relay running?" in late.stdout


async def test_a_stream_that_lost_its_tail_is_a_problem(waybill: Run, history: History, redis: Redis) -> None:
    await history.publish(a_file_uploaded())
    await redis.flushall()

    result = await waybill("status")

    assert result.exit_code == 1
    assert "attention: waybill:files ends at 0-0, the outbox at 1" in result.stdout


async def test_without_postgres_there_is_one_clear_line(waybill: Run, environment: dict[str, str]) -> None:
    environment["WAYBILL_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/none"

    result = await waybill("status")

    assert result.exit_code == 1
    assert result.stderr.startswith("waybill: Postgres: ConnectionRefusedError")
    assert result.stderr.count("\n") == 1


async def test_events_that_nobody_reads_are_a_problem_with_and_without_a_group(
    waybill: Run, history: History, database: Database, redis: Redis
) -> None:
    await history.publish(a_file_uploaded())
    await database.execute("INSERT INTO subscriptions VALUES ('finalize_upload', 'file.uploaded', 0)")
    assert (await waybill("status", "--patience", "0")).exit_code == 1

    await redis.xgroup_create("waybill:files", "finalize_upload", id="0")
    assert (await waybill("status", "--patience", "0")).exit_code == 1

    await history.deliver("finalize_upload")
    await redis.xgroup_setid("waybill:files", "finalize_upload", "1-0")
    assert (await waybill("status", "--patience", "0")).exit_code == 0
