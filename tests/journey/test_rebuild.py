"""A stream is rebuilt again and again under real processes at work: none ends, and nothing is lost or done twice."""

from collections import Counter

from infra.connection import connect
from outbox.rebuilding import rebuild
from tests.journey.conftest import STREAM, House


async def test_workers_that_wait_on_a_stream_go_on_with_the_rebuilt_one(house: House) -> None:
    await house.start("api", "relay", "worker")
    pids = [house.supervisor.pid(name) for name in ("relay", "worker")]
    connection = await connect(house.database.url, application_name="test")
    for number in range(12):
        assert (await house.upload(f"{number}.txt", b"abc")).status_code == 202
        await rebuild(connection, house.redis, STREAM)

    await house.until(house.nothing_is_open)
    await rebuild(connection, house.redis, STREAM)  # while everybody is idle and blocked on it
    assert (await house.upload("last.txt", b"abc")).status_code == 202
    await house.until(house.nothing_is_open)

    await connection.close()
    assert [house.supervisor.pid(name) for name in ("relay", "worker")] == pids
    assert await house.all_are_available()
    await house.assert_the_stream_is_the_outbox()
    happened = Counter(event.type for event in await house.database.recorded())
    assert happened == {"file.uploaded": 13, "file.available": 13, "file.indexed": 13}
