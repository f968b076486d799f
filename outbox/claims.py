"""Claiming: of two workers that read an event one gets it, and it waits behind the earlier ones of its subject."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from outbox.delivery import Arrival, State

OWED = """
(
    SELECT owed.since FROM subscriptions owed WHERE owed.consumer = :consumer AND owed.type = {event}.type LIMIT 1
) < {event}.position
"""
"""The consumer was subscribed to the event's type by then.

Subscriptions are asked one at a time (LIMIT 1): beside the LIMIT of the events, a planner who expects few of them would
join both, and sort.
"""
WAITING_BEHIND = f"""
EXISTS (
    SELECT FROM (
        SELECT earlier.position FROM outbox earlier
        WHERE (earlier.subject, earlier.position) < ({{row}}.subject, {{row}}.position)
        AND (earlier.subject, earlier.position) > ({{row}}.subject, 0)
        AND {OWED.format(event="earlier")}
        AND (earlier.position <> ALL(:together) OR (
            SELECT known.position FROM deliveries known
            WHERE known.consumer = :consumer AND known.position = earlier.position LIMIT 1
        ) IS NOT NULL)
        ORDER BY earlier.subject DESC, earlier.position DESC LIMIT 1
    ) nearest
    WHERE (
        SELECT ended.state IN ('done', 'dead', 'discarded') FROM deliveries ended
        WHERE ended.consumer = :consumer AND ended.position = nearest.position LIMIT 1
    ) IS NOT TRUE
)
"""
"""The nearest earlier event of the same subject has not ended for this consumer: it is running, or not even read yet.

One that has ended was taken only when all before it had; what was made due again since, FIRST_OPEN finds. So a
subject's history costs nothing, however long. Those of the same batch that nobody has taken before do not count: they
are handled together, in order. Subscriptions and deliveries are asked for one at a time (LIMIT 1), and the outbox by a
row that is less than ours: a planner who believes a history, or the whole outbox, to be short would else read all of it
and sort it.
"""
FIRST_OPEN = """
SELECT open.{columns} FROM deliveries open
WHERE (open.consumer, open.subject) >= (:consumer, {row}.subject)
AND (open.consumer, open.subject) <= (:consumer, {row}.subject)
AND open.state IN ('due', 'running')
ORDER BY open.consumer, open.subject, open.position LIMIT 1
"""
"""The subject's first delivery that is open: cheap, and it also knows of what is replayed unasked.

Asked so that only the index over open subjects can answer, whatever the planner believes of a backlog.
"""
KNOWN = """
entry.position <= (
    SELECT position FROM deliveries WHERE consumer = :consumer ORDER BY consumer DESC, position DESC LIMIT 1
) AND (
    SELECT known.position FROM deliveries known
    WHERE known.consumer = :consumer AND known.position = entry.position LIMIT 1
) IS NOT NULL
"""
"""It has a delivery, so nobody asks whether it waits: where Redis has lost everything, all of it arrives again.

What is newer than any delivery of the consumer, as it mostly is, is known to have none.
"""

# What the outbox does not know, or this consumer was not subscribed to then, is nobody's to handle: not even what a
# Redis restored from long ago still has. What only a newer version of the consumer knows how to handle becomes due.
CLAIM = text(f"""
WITH arrived AS (
    SELECT entry.*, CASE WHEN {KNOWN} THEN true ELSE entry.type <> ALL(:types)
        OR coalesce(({FIRST_OPEN.format(columns="position", row="entry")}) < entry.position, false)
        OR {WAITING_BEHIND.format(row="entry")} END AS waits
    FROM unnest(CAST(:positions AS bigint[]), CAST(:event_ids AS uuid[]), CAST(:subjects AS uuid[]),
        CAST(:entry_types AS text[])) AS entry (position, event_id, subject, type)
    JOIN subscriptions USING (type) JOIN outbox USING (position, event_id)
    WHERE subscriptions.consumer = :consumer AND subscriptions.since < entry.position
), taken AS (
    INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at)
    SELECT :consumer, position, event_id, subject, type,
        CASE WHEN waits THEN 'due' ELSE :state END,
        CASE WHEN waits THEN 0 ELSE :attempts END,
        CASE WHEN waits OR :state = 'due' THEN now() WHEN :state = 'running' THEN now() + :lease END,
        now()
    FROM arrived
    ON CONFLICT DO NOTHING
    RETURNING position, state
)
SELECT position, max(state) AS state
FROM (SELECT position, state FROM taken UNION ALL SELECT position, NULL FROM arrived) either GROUP BY position
""")

DEMOTE = text("""
UPDATE deliveries SET state = 'due', attempts = 0, due_at = now()
WHERE consumer = :consumer AND position = ANY(:positions)
""")
# Retention may have ended between what CLAIM saw and what it wrote: then it was handled, and its delivery forgotten.
FORGOTTEN = text("""
DELETE FROM deliveries WHERE consumer = :consumer AND position = ANY(:positions)
AND NOT EXISTS (SELECT FROM outbox WHERE outbox.position = deliveries.position)
RETURNING position
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

    `types` are those that we can handle; of others, what the consumer is subscribed to becomes due as well.
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
    became = {row[0]: row[1] for row in await session.execute(CLAIM, values)}
    if new := [position for position, its_state in became.items() if its_state is not None]:
        for forgotten in await session.scalars(FORGOTTEN, {"consumer": consumer, "positions": new}):
            del became[forgotten]
    taken, overtaking = _in_order(arrivals, became, state)
    if overtaking:
        await session.execute(DEMOTE, {"consumer": consumer, "positions": overtaking})
    return taken


def _in_order(
    arrivals: Sequence[Arrival], became: Mapping[int, str | None], state: State
) -> tuple[list[Arrival], list[int]]:
    """What was taken; and what would overtake one of its batch that somebody else took just before us."""
    taken: list[Arrival] = []
    overtaking: list[int] = []
    blocked = set()
    ours = (arrival for arrival in arrivals if arrival.position in became)
    for arrival in sorted(ours, key=lambda each: each.position):
        if became[arrival.position] != state:
            blocked.add(arrival.subject)
        elif arrival.subject in blocked:
            overtaking.append(arrival.position)
        else:
            taken.append(arrival)
    return taken, overtaking
