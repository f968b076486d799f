"""Files whose time is over are expired, a batch at a time."""

from datetime import datetime, timedelta

import pytest

from consumers.handlers import expire_files as module
from consumers.handlers.expire_files import expire_files
from domain.accounts.model import Account
from domain.aggregate import now
from domain.files.events import FileExpired
from domain.files.model import Status
from domain.schedule.events import ExpiryDue
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import an_available_file


def ago(**time: int) -> datetime:
    return now() - timedelta(**time)


async def test_what_is_over_expires_and_what_is_not_stays(handle: Handle, owner: Account, database: Database) -> None:
    over = await database.save(an_available_file(owner_id=owner.id, expires_at=ago(hours=1)))
    not_yet = await database.save(an_available_file(owner_id=owner.id, expires_at=ago(hours=-1)))
    never = await database.save(an_available_file(owner_id=owner.id))

    await handle(expire_files, ExpiryDue(due_at=now()))

    statuses = [(await database.get(file)).status for file in (over, not_yet, never)]
    assert statuses == [Status.EXPIRED, Status.AVAILABLE, Status.AVAILABLE]
    (expired,) = [event for event in await database.recorded() if isinstance(event, FileExpired)]
    assert (expired.file_id, expired.expires_at) == (over.id, over.expires_at)


async def test_what_a_batch_leaves_is_the_next_part_of_the_tick(
    handle: Handle, owner: Account, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    for minutes in range(3):
        await database.save(an_available_file(owner_id=owner.id, expires_at=ago(minutes=minutes + 1)))
    tick = ExpiryDue(due_at=now())

    await handle(expire_files, tick)
    (rest,) = [event for event in await database.recorded() if isinstance(event, ExpiryDue)]
    await handle(expire_files, rest)
    await handle(expire_files, tick)  # a replay finds nothing to do

    assert (rest.due_at, rest.part) == (tick.due_at, 1)
    assert await database.rows("SELECT status FROM files") == [("expired",)] * 3
    assert len([event for event in await database.recorded() if isinstance(event, ExpiryDue)]) == 1
