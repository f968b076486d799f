"""A million events again through one consumer, by a worker of its own: how long, and whether each was handled.

pytest tests/bench/test_replay.py -m slow -s -n 0
"""

import time

import pytest

from infra.up.processes import Programs
from tests.factories import a_file_available, an_available_file
from tests.journey.conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

EVENTS, FILES = 1_000_000, 10_000
"""A hundred events of each file: what is replayed keeps the order of each of them."""
CONSUMER = "index_file"
FILL = [
    "DELETE FROM outbox",
    """
    INSERT INTO files SELECT (json_populate_record(f, json_build_object('id', gen_random_uuid(), 'key', n))).*
    FROM files f, generate_series(2, :files) n
    """,
    """
    INSERT INTO outbox (event_id, position, stream, type, subject, data, recorded_at)
    SELECT gen_random_uuid(), n, 'waybill:files', 'file.available', f.id,
        CAST(:data AS jsonb) || jsonb_build_object('file_id', f.id, 'owner_id', f.owner_id), now()
    FROM generate_series(1, :events) n
    JOIN (SELECT *, row_number() OVER (ORDER BY id) AS number FROM files) f ON f.number = 1 + n % :files
    """,
    """
    INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, updated_at)
    SELECT consumer, position, event_id, subject, type, 'done', 1, now()
    FROM outbox, unnest(ARRAY['index_file', 'another']) consumer
    """,
    "ANALYZE",
]
STATES = "SELECT consumer, state, attempts, count(*) FROM deliveries GROUP BY 1, 2, 3 ORDER BY 1"


@pytest.fixture
async def filled(house: House) -> House:
    await house.database.save(an_available_file(owner_id=house.account.id))
    filling = {"files": FILES, "events": EVENTS, "data": a_file_available().to_json().decode()}
    for statement in FILL:
        values = {name: value for name, value in filling.items() if f":{name}" in statement}
        await house.database.execute(statement, **values)
    return house


async def test_a_million_events_are_replayed(filled: House) -> None:
    programs: Programs = filled.programs
    await filled.start("worker")
    began = time.monotonic()
    replay = programs.named("operator", "replay", "--consumer", CONSUMER, "--yes", "--json")
    await filled.supervisor.run(replay)
    chosen = time.monotonic() - began

    async def all_have_ended() -> bool:
        return not await filled.database.rows("SELECT 1 FROM deliveries WHERE state IN ('due', 'running') LIMIT 1")

    await filled.until(all_have_ended, within=3000)
    took = time.monotonic() - began
    print(f"\n{EVENTS} events replayed in {took:.0f} s, {EVENTS / took:.0f} a second; made due in {chosen:.0f} s")
    assert [tuple(row) for row in await filled.database.rows(STATES)] == [
        ("another", "done", 1, EVENTS),
        (CONSUMER, "done", 1, EVENTS),
    ]
