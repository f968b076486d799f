"""Uploads that nobody has completed in time end, a batch at a time; one that still runs never does."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from consumers.handlers import end_uploads as module
from consumers.handlers.end_uploads import GRACE, end_uploads
from consumers.handlers.remove_objects import remove_objects
from domain.accounts.model import Account
from domain.aggregate import now
from domain.files.events import FileExpired
from domain.files.model import File, Status
from domain.files.parts import MIB
from domain.schedule.events import UploadsCleanupDue
from infra.storage import ObjectMissing, Storage
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import a_pending_file


def ago(**time: int) -> datetime:
    return now() - GRACE - timedelta(**time)


async def saved(database: Database, owner: Account, **values: Any) -> File:
    return await database.save(a_pending_file(owner_id=owner.id, **values))


async def test_only_uploads_whose_time_is_long_over_end(handle: Handle, owner: Account, database: Database) -> None:
    over = await saved(database, owner, open_until=ago(minutes=1))
    just_over = await saved(database, owner, open_until=now() - timedelta(minutes=1))
    running = await saved(database, owner, open_until=now() + timedelta(hours=1))
    complete = a_pending_file(owner_id=owner.id, open_until=now() + timedelta(hours=1))
    complete.bytes_arrived()
    await database.save(complete)
    await database.execute("UPDATE files SET upload_expires_at = :over WHERE status = 'processing'", over=ago(days=1))

    await handle(end_uploads, UploadsCleanupDue(due_at=now()))

    statuses = [(await database.get(file)).status for file in (over, just_over, running, complete)]
    assert statuses == [Status.EXPIRED, Status.PENDING, Status.PENDING, Status.PROCESSING]
    (expired,) = [event for event in await database.recorded() if isinstance(event, FileExpired)]
    assert (expired.file_id, expired.expires_at) == (over.id, over.upload_expires_at)


async def test_an_upload_that_is_being_completed_is_passed_over(
    handle: Handle, owner: Account, database: Database
) -> None:
    file = await saved(database, owner, open_until=ago(minutes=1))
    async with database.sessions.begin() as completing:
        await completing.get_one(File, file.id, with_for_update=True)

        await handle(end_uploads, UploadsCleanupDue(due_at=now()))

    assert (await database.get(file)).is_pending


async def test_what_a_batch_leaves_is_the_next_part_of_the_tick(
    handle: Handle, owner: Account, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    for minutes in range(3):
        await saved(database, owner, open_until=ago(minutes=minutes + 1))
    tick = UploadsCleanupDue(due_at=now())

    await handle(end_uploads, tick)
    (rest,) = [event for event in await database.recorded() if isinstance(event, UploadsCleanupDue)]
    await handle(end_uploads, rest)
    await handle(end_uploads, tick)  # a replay finds nothing to do

    assert (rest.due_at, rest.part) == (tick.due_at, 1)
    assert await database.rows("SELECT status FROM files") == [("expired",)] * 3


async def test_its_bytes_go_and_its_room_is_free_again(
    handle: Handle, owner: Account, database: Database, storage: Storage
) -> None:
    many = a_pending_file(owner_id=owner.id, size=20 * MIB, part_size=16 * MIB, open_until=ago(minutes=1))
    many.key = f"files/{many.id}"
    many.upload_id = await storage.start_multipart(many.key, content_type="text/plain")
    await storage.put_part(many.key, many.upload_id, 1, bytes(16 * MIB))
    one = a_pending_file(owner_id=owner.id, open_until=ago(minutes=1))
    await storage.put(one.key, b"abc", content_type="text/plain")
    for file in (many, one):
        await database.save(file)

    await handle(end_uploads, UploadsCleanupDue(due_at=now()))
    for event in [event for event in await database.recorded() if isinstance(event, FileExpired)]:
        await handle(remove_objects, event, storage)

    with pytest.raises(ObjectMissing):
        await storage.parts(many.key, many.upload_id)
    with pytest.raises(ObjectMissing):
        await storage.size(one.key)
    assert (await database.get(owner)).used_bytes == 0
