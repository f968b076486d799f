"""A million events again through one consumer that does nothing: how long, and whether each was handled.

pytest tests/bench/test_replay.py -m slow -s -n 0
"""

import time
from dataclasses import replace

import pytest

from tests.bench.at_work import WITH_NO_OPS
from tests.bench.events import record
from tests.journey.conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

EVENTS, SUBJECTS = 1_000_000, 20_000
CONSUMER = "no_op"
MOST_SECONDS = 3000
DELIVERED = """
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, updated_at)
SELECT consumer, position, event_id, subject, type, 'done', 1, now()
FROM outbox, unnest(ARRAY['no_op', 'another']) consumer
"""
STATES = "SELECT consumer, state, attempts, count(*) FROM deliveries GROUP BY 1, 2, 3 ORDER BY 1"


@pytest.fixture
async def old(house: House) -> House:
    """All of it is published and handled."""
    house.programs = replace(house.programs, waybill=WITH_NO_OPS)
    connection = await house.database.connect()
    await record(connection, EVENTS, subjects=SUBJECTS)
    await connection.execute("UPDATE outbox SET position = id")
    await connection.execute(DELIVERED)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return house


async def test_a_million_events_are_replayed(old: House) -> None:
    began = time.monotonic()
    await old.supervisor.start(old.programs.named("worker", "worker", "--only", CONSUMER))
    replay = old.programs.named("operator", "replay", "--consumer", CONSUMER, "--yes", "--json")
    await old.supervisor.run(replace(replay, ready_within=MOST_SECONDS))
    chosen = time.monotonic() - began

    async def all_have_ended() -> bool:
        return not await old.database.rows("SELECT 1 FROM deliveries WHERE due_at IS NOT NULL LIMIT 1")

    await old.until(all_have_ended, within=MOST_SECONDS)
    took = time.monotonic() - began
    print(
        f"\n{EVENTS} events replayed in {took:.0f} s, {EVENTS / took:.0f} a second; all were due after {chosen:.0f} s"
    )
    assert [tuple(row) for row in await old.database.rows(STATES)] == [
        ("another", "done", 1, EVENTS),
        (CONSUMER, "done", 1, EVENTS),
    ]
