"""The daily tick: bytes and rows are compared and repaired, part by part."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from consumers.handlers import reconcile_storage as module
from consumers.handlers.reconcile_storage import reconcile_storage
from consumers.reconciliation import comparing
from consumers.subscription import Unmendable
from domain.accounts.model import Account
from domain.aggregate import new_id, now
from domain.files.promise import object_key
from domain.leftovers.events import ObjectRemoved
from domain.leftovers.model import Leftover
from domain.schedule.events import ReconciliationDue
from infra.settings import Settings
from infra.storage import Storage
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import an_available_file


@pytest.fixture
async def bucket(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """One of its own, in which nothing is too young."""
    own = replace(storage, bucket=f"reconcile-{uuid4()}")
    await own.client.create_bucket(Bucket=own.bucket)
    monkeypatch.setattr(comparing, "now", lambda: now() + 2 * comparing.GRACE)
    return own


async def test_what_disagrees_is_repaired_part_by_part(
    handle: Handle, database: Database, bucket: Storage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_SECONDS", 0.0)
    await bucket.put(key := object_key(new_id()), b"abc", content_type="text/plain")
    due_at, parts = now(), [ReconciliationDue(due_at=now())]

    while parts:
        await handle(reconcile_storage, parts[-1], database.sessions, bucket, settings)
        told = [event for event in await database.recorded() if isinstance(event, ReconciliationDue)]
        parts = [event for event in told if event.part == parts[-1].part + 1]

    assert [(event.part, event.after) for event in told] == [(1, "incoming/"), (2, "uploads/")]
    assert told[0].due_at >= due_at
    assert [event.key for event in await database.recorded() if isinstance(event, ObjectRemoved)] == [key]


async def test_a_bucket_without_its_objects_is_for_an_operator(
    handle: Handle,
    owner: Account,
    database: Database,
    bucket: Storage,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("consumers.reconciliation.repairing.MANY", 1)
    for _ in range(2):
        file = an_available_file(owner_id=owner.id)
        file.bucket = bucket.bucket
        await database.save(file)

    with pytest.raises(Unmendable, match="2 of 2 files"):
        await handle(reconcile_storage, ReconciliationDue(due_at=now()), database.sessions, bucket, settings)

    assert await database.rows("SELECT DISTINCT status FROM files") == [("available",)]


async def test_leftovers_are_remembered_as_long_as_everything_else(
    handle: Handle, database: Database, bucket: Storage, settings: Settings
) -> None:
    tick = ReconciliationDue(due_at=now() + timedelta(days=settings.retention_days + 1))
    leftover = Leftover.found(file_id=new_id(), bucket="waybill", key="x", upload_id=None, size=3, mark="")
    leftover.removed()
    await database.save(leftover)

    await handle(reconcile_storage, replace(tick, due_at=now()), database.sessions, bucket, settings)
    assert await database.rows("SELECT key FROM leftovers") == [("x",)]
    await handle(reconcile_storage, replace(tick, part=1), database.sessions, bucket, settings)
    assert await database.rows("SELECT key FROM leftovers") == []
