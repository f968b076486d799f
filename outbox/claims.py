"""Claiming: of two workers that read an event one gets it, and it waits behind the earlier ones of its subject."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from outbox.delivery import Arrival, State

WAITING_BEHIND = """
EXISTS (
    SELECT FROM outbox earlier
    WHERE earlier.subject = {row}.subject AND earlier.position < {row}.position AND earlier.type = ANY(:types)
    AND (earlier.position <> ALL(:together) OR EXISTS (
        SELECT FROM deliveries known WHERE known.consumer = :consumer AND known.position = earlier.position
    ))
    AND NOT EXISTS (
        SELECT FROM deliveries ended
        WHERE ended.consumer = :consumer AND ended.position = earlier.position
        AND ended.state IN ('done', 'dead', 'discarded')
    )
)
"""
"""An earlier event of the same subject has not ended for this consumer: be it due, running, or not even read yet.

Those of the same batch that nobody has taken before do not count: they are handled together, in order.
"""

CLAIM = text(f"""
INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at)
SELECT :consumer, arrived.position, arrived.event_id, arrived.subject, arrived.type,
    CASE WHEN arrived.waits THEN 'due' ELSE :state END,
    CASE WHEN arrived.waits THEN 0 ELSE :attempts END,
    CASE WHEN arrived.waits OR :state = 'due' THEN now() WHEN :state = 'running' THEN now() + :lease END,
    now()
FROM (
    SELECT entry.*, {WAITING_BEHIND.format(row="entry")} AS waits
    FROM unnest(CAST(:positions AS bigint[]), CAST(:event_ids AS uuid[]), CAST(:subjects AS uuid[]),
        CAST(:entry_types AS text[])) AS entry (position, event_id, subject, type)
) arrived
ON CONFLICT DO NOTHING
RETURNING position, state
""")

DEMOTE = text("""
UPDATE deliveries SET state = 'due', attempts = 0, due_at = now()
WHERE consumer = :consumer AND position = ANY(:positions)
""")


async def claim(
    session: AsyncSession,
    consumer: str,
    types: Iterable[str],
    arrivals: Sequence[Arrival],
    *,
    state: State,
    lease: timedelta,
    attempts: int = 1,
) -> list[Arrival]:
    """Take what nobody has taken, in order; those that must wait behind an earlier event become due instead.

    `state` is DONE where the effect commits in this very transaction, RUNNING where we are about to try it, and DUE
    where somebody else shall; `attempts` is how many have begun by then.
    """
    if not arrivals:
        return []
    values = {
        "consumer": consumer,
        "types": list(types),
        "together": [arrival.position for arrival in arrivals],
        "state": state,
        "attempts": attempts,
        "lease": lease,
        "positions": [arrival.position for arrival in arrivals],
        "event_ids": [arrival.event_id for arrival in arrivals],
        "subjects": [arrival.subject for arrival in arrivals],
        "entry_types": [arrival.type for arrival in arrivals],
    }
    became = {position: State(found) for position, found in await session.execute(CLAIM, values)}
    taken, overtaking = _in_order(arrivals, became, state)
    if overtaking:
        await session.execute(DEMOTE, {"consumer": consumer, "positions": overtaking})
    return taken


def _in_order(arrivals: Sequence[Arrival], became: dict[int, State], state: State) -> tuple[list[Arrival], list[int]]:
    """What was taken; and what would overtake one of its batch that somebody else took just before us."""
    taken: list[Arrival] = []
    overtaking: list[int] = []
    blocked = set()
    for arrival in sorted(arrivals, key=lambda each: each.position):
        if became.get(arrival.position) is not state:
            blocked.add(arrival.subject)
        elif arrival.subject in blocked:
            overtaking.append(arrival.position)
        else:
            taken.append(arrival)
    return taken, overtaking
