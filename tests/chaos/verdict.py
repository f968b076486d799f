"""What came of it: outbox, streams, deliveries, files and objects, each held against the others."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from consumers.subscription import discover
from domain.catalogue import STREAMS
from domain.files.promise import incoming_key
from tests.chaos.ledger import Known, Ledger
from tests.chaos.subscriber import Subscriber
from tests.database import Database

OF_STREAM = "SELECT position, event_id::text AS id, data::text FROM outbox WHERE stream = :stream ORDER BY position"
OWED = """
FROM outbox o JOIN subscriptions s ON s.type = o.type AND s.since < coalesce(o.position, s.since + 1)
LEFT JOIN deliveries d ON d.consumer = s.consumer AND d.position = o.position
"""
OPEN = f"SELECT count(*) {OWED} WHERE d.state IS NULL OR d.state NOT IN ('done', 'dead', 'discarded')"
OPEN_ONES = f"""
SELECT s.consumer, o.type, o.position, d.state, d.attempts, d.due_at - now() AS due_in, d.last_error
{OWED} WHERE d.state IS NULL OR d.state NOT IN ('done', 'dead', 'discarded') ORDER BY o.position
"""
DEAD = "SELECT consumer, type, attempts, last_error FROM deliveries WHERE state = 'dead'"
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE position IS NULL"
FILES = """
SELECT f.id::text, f.status, f.version, f.size, f.sha256, f.key,
    coalesce(string_agg(split_part(o.type, '.', 2), ' ' ORDER BY o.position), '') AS history,
    count(*) FILTER (WHERE o.type IN ('file.uploaded', 'file.available', 'file.delete_requested')) AS changes
FROM files f LEFT JOIN outbox o ON o.subject = f.id GROUP BY f.id
"""
EFFECTS_TWICE = """
SELECT count(*) FROM (
    SELECT FROM outbox WHERE stream = 'waybill:files' GROUP BY subject, type HAVING count(*) > 1
) twice
"""
LIVES = {
    # what its client did last: the status, and all that may have been told of it
    "promised": ("pending", ""),
    "promised, deleted": ("deleted", "delete_requested deleted"),
    "sent": ("available", "uploaded available indexed"),
    "sent, deleted": ("deleted", "uploaded( available( indexed)?)? delete_requested deleted"),
}
SHOWN = 5


@dataclass
class Verdict:
    events: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    twice: int = 0
    stranded: int = 0
    orphans: int = 0
    """Objects that no row knows: a killed API or worker leaves them, and reconciliation will remove them."""
    flaws: list[str] = field(default_factory=list)

    def add(self, what: str, found: Iterable[object]) -> None:
        if listed := list(found):
            self.flaws.append(f"{len(listed)} {what}, such as {listed[:SHOWN]}")


async def still_open(database: Database, redis: Redis) -> dict[str, int]:
    """How many events are not published, deliveries and entries have not ended: what is none is left out."""
    unpublished, deliveries = [(await database.rows(query))[0][0] for query in (UNPUBLISHED, OPEN)]
    entries = await database.rows("SELECT stream, count(*) FROM outbox GROUP BY stream")
    missing = sum([abs(count - await redis.xlen(stream)) for stream, count in entries])
    pending = sum([await _pending(redis, stream) for stream in STREAMS])
    counted = {"unpublished": unpublished, "missing": missing, "pending": pending, "deliveries": deliveries}
    return {what: number for what, number in counted.items() if number}


async def judge(database: Database, redis: Redis, bucket: Path, ledger: Ledger, subscriber: Subscriber) -> Verdict:
    """Everything that is wrong."""
    verdict = Verdict(flaws=list(ledger.flaws), stranded=sum((await still_open(database, redis)).values()))
    for stream in STREAMS:
        rows = [tuple(row) for row in await database.rows(OF_STREAM, stream=stream)]
        found: Any = await redis.xrange(stream)
        entries = [(int(f[b"sequence"]), f[b"id"].decode(), f[b"data"].decode()) for _, f in found]
        verdict.events += len(rows)
        _compare(verdict, f"entries of {stream}", rows, entries)
        if stream == subscriber.stream:
            _compare(verdict, "entries seen by a subscriber", [row[:2] for row in rows], subscriber.seen)
    verdict.add("deliveries that have not ended", await database.rows(OPEN_ONES))
    verdict.twice = (await database.rows(EFFECTS_TWICE))[0][0]
    verdict.add("deliveries that were given up", await database.rows(DEAD))
    verdict.add("consumers without a subscription", await _unsubscribed(database))
    files = {row.id: row for row in await database.rows(FILES)}
    verdict.add("files that were accepted and are not there", ledger.files.keys() - files.keys())
    verdict.add("files that nobody was told of", files.keys() - ledger.files.keys())
    verdict.add("files with another life", filter(None, (_wrong(known, files) for known in ledger.files.values())))
    _objects(verdict, bucket, files, ledger)
    for name in ("lost", "doubled", "out_of_order", "twice", "stranded"):
        verdict.add(name, range(getattr(verdict, name)))
    return verdict


def _compare(verdict: Verdict, of: str, rows: Sequence[tuple[Any, ...]], entries: Sequence[tuple[Any, ...]]) -> None:
    """Position by position, the same event with the same data."""
    ids = [entry[1] for entry in entries]
    positions = [entry[0] for entry in entries]
    verdict.lost += len({row[1] for row in rows} - set(ids))
    verdict.doubled += len(ids) - len(set(ids))
    verdict.out_of_order += sum(after <= before for before, after in pairwise(positions))
    verdict.add(f"{of} that are not in the outbox", set(entries) - set(rows))


async def _unsubscribed(database: Database) -> set[tuple[str, str]]:
    known = {tuple(row) for row in await database.rows("SELECT consumer, type FROM subscriptions")}
    return {(each.name, type_) for each in discover().values() for type_ in each.event_types} - known


async def _pending(redis: Redis, stream: str) -> int:
    if not await redis.exists(stream):
        return 0
    groups: Any = await redis.xinfo_groups(stream)
    return sum(group["pending"] for group in groups)


def _wrong(known: Known, files: Mapping[str, Any]) -> str | None:
    """What is wrong with a file that its client knows, if anything is."""
    if (file := files.get(known.file_id)) is None:
        return None
    life = ("promised" if known.sha256 is None else "sent") + (", deleted" if known.is_deleted else "")
    status, history = LIVES[life]
    told = file.status == status and re.fullmatch(history, file.history) and file.version == 1 + file.changes
    kept = file.size == known.size and (life != "sent" or file.sha256 == known.sha256)
    return None if told and kept else f"{life}: {tuple(file)}"


def _objects(verdict: Verdict, bucket: Path, files: Mapping[str, Any], ledger: Ledger) -> None:
    """What is available is there, byte by byte; what was deleted is gone."""
    there = {path.relative_to(bucket).as_posix(): path for path in bucket.rglob("*") if path.is_file()}
    sent = {f: each for f, each in ledger.files.items() if each.sha256 and not each.is_deleted and f in files}
    wanted = {files[f].key: each.sha256 for f, each in sent.items()}
    verdict.add("available files without their object", wanted.keys() - there.keys())
    verdict.add(
        "objects with other bytes", (key for key in wanted.keys() & there.keys() if _sha(there[key]) != wanted[key])
    )
    unwanted = {key for f in files.values() if f.status == "deleted" for key in (f.key, incoming_key(f.id))}
    verdict.add("objects of deleted files", unwanted & there.keys())
    verdict.orphans = len(there.keys() - wanted.keys() - unwanted)


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
