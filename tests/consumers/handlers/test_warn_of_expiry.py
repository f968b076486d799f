"""Owners hear of a file's last day, once for each end that its time is given."""

from datetime import datetime, timedelta

import pytest

from consumers.handlers import warn_of_expiry as module
from consumers.handlers.expire_files import expire_files
from consumers.handlers.warn_of_expiry import warn_of_expiry
from domain.accounts.model import Account
from domain.aggregate import now
from domain.files.events import FileExpiring
from domain.files.model import File
from domain.schedule.events import ExpiryDue
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import a_processing_file, an_available_file


def ahead(**time: int) -> datetime:
    return now() + timedelta(**time)


async def warned(database: Database) -> list[FileExpiring]:
    return [event for event in await database.recorded() if isinstance(event, FileExpiring)]


async def prolong(database: Database, file: File, until: datetime) -> None:
    async with database.sessions.begin() as session:
        (await session.get_one(File, file.id)).update({"expires_at": until})


async def test_a_files_last_day_is_told_and_no_other(handle: Handle, owner: Account, database: Database) -> None:
    last_day = await database.save(an_available_file(owner_id=owner.id, expires_at=ahead(hours=23)))
    for expires_at in (ahead(hours=25), ahead(seconds=-1), None):
        await database.save(an_available_file(owner_id=owner.id, expires_at=expires_at))
    await database.save(a_processing_file(owner_id=owner.id, expires_at=ahead(hours=1)))

    await handle(warn_of_expiry, ExpiryDue(due_at=now()))

    (told,) = await warned(database)
    assert (told.file_id, told.expires_at, told.version) == (last_day.id, last_day.expires_at, last_day.version)


async def test_it_is_told_once_however_many_hours_the_last_day_has(
    handle: Handle, owner: Account, database: Database
) -> None:
    await database.save(an_available_file(owner_id=owner.id, expires_at=ahead(hours=20)))

    for hours in range(3):
        await handle(warn_of_expiry, ExpiryDue(due_at=ahead(hours=hours)))

    assert len(await warned(database)) == 1


async def test_whoever_prolongs_a_file_hears_of_its_new_last_day(
    handle: Handle, owner: Account, database: Database
) -> None:
    file = await database.save(an_available_file(owner_id=owner.id, expires_at=ahead(hours=1)))
    await handle(warn_of_expiry, ExpiryDue(due_at=now()))

    await prolong(database, file, until := ahead(days=30))
    await handle(warn_of_expiry, ExpiryDue(due_at=now()))
    assert len(await warned(database)) == 1

    await handle(warn_of_expiry, ExpiryDue(due_at=ahead(days=29, hours=1)))
    assert [told.expires_at for told in await warned(database)] == [file.expires_at, until]


async def test_what_a_batch_leaves_is_the_next_part_of_the_tick_also_where_it_was_announced_already(
    handle: Handle, owner: Account, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr("consumers.handlers.expire_files.BATCH", 1)
    for hours in (-1, 1, 2, 3):
        await database.save(an_available_file(owner_id=owner.id, expires_at=ahead(hours=hours)))

    due_at = now()

    for part in range(2):
        for effect in (expire_files, warn_of_expiry):
            await handle(effect, ExpiryDue(due_at=due_at, part=part))

    assert len(await warned(database)) == 3
    parts = [event.part for event in await database.recorded() if isinstance(event, ExpiryDue)]
    assert parts == [1]
