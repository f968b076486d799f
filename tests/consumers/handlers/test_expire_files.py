"""Files whose time is over are expired, a batch at a time."""

from datetime import datetime, timedelta

import pytest

from consumers.handlers import expire_files as module
from consumers.handlers.expire_files import expire_files
from domain.accounts.model import Account
from domain.aggregate import now
from domain.files.events import FileExpired
from domain.files.model import File, Status
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


async def test_a_file_that_is_prolonged_before_the_hour_or_while_it_strikes_stays(
    handle: Handle, owner: Account, database: Database
) -> None:
    before, meanwhile = [
        await database.save(an_available_file(owner_id=owner.id, expires_at=ago(hours=-1))) for _ in range(2)
    ]
    tick = ExpiryDue(due_at=ago(hours=-2))  # the next hour but one, in which both would be over

    async with database.sessions.begin() as session:
        (await session.get_one(File, before.id)).update({"expires_at": ago(hours=-3)})
    async with database.sessions.begin() as session:
        file = await session.get_one(File, meanwhile.id, with_for_update=True)
        await handle(expire_files, tick)
        file.update({"expires_at": None})
    await handle(expire_files, tick)

    statuses = [(await database.get(file)).status for file in (before, meanwhile)]
    assert statuses == [Status.AVAILABLE] * 2
    assert not [event for event in await database.recorded() if isinstance(event, FileExpired)]
