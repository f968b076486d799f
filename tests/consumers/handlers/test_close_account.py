"""The files of a closed account are deleted, however many, and nobody else's."""

import pytest

from consumers.handlers import close_account as module
from consumers.handlers.close_account import close_account
from domain.accounts.events import AccountDeleted, AccountFilesLeft
from domain.accounts.model import Account
from domain.aggregate import now
from domain.files.events import FileDeleteRequested
from domain.files.model import RejectedReason, Status
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import a_pending_file, a_processing_file, an_account, an_available_file


async def test_every_file_is_deleted_whatever_its_state(handle: Handle, owner: Account, database: Database) -> None:
    rejected, expired, deleted = (an_available_file(owner_id=owner.id, expires_at=now()) for _ in range(3))
    rejected.reject(RejectedReason.TOO_LARGE)
    expired.expire()
    deleted.delete()
    living = [a_pending_file(owner_id=owner.id), a_processing_file(owner_id=owner.id), rejected]
    files = [await database.save(file) for file in (*living, an_available_file(owner_id=owner.id), expired, deleted)]
    theirs = await database.save(an_available_file(owner_id=(await database.save(an_account())).id))
    already = len(await _requests(database))

    for _ in range(2):  # the second time finds nothing to do
        await handle(close_account, AccountDeleted(account_id=owner.id))

    statuses = [(await database.get(file)).status for file in files]
    assert statuses == [Status.DELETED] * 4 + [Status.EXPIRED, Status.DELETED]
    assert (await database.get(theirs)).status == Status.AVAILABLE
    assert len(await _requests(database)) == already + 4


async def test_what_a_batch_leaves_is_told_by_an_event_of_its_own(
    handle: Handle, owner: Account, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    for _ in range(5):
        await database.save(an_available_file(owner_id=owner.id))

    await handle(close_account, AccountDeleted(account_id=owner.id))
    for told in (1, 2, 2):
        (*_, last) = left = [event for event in await database.recorded() if isinstance(event, AccountFilesLeft)]
        assert len(left) == told
        await handle(close_account, last)

    assert await database.rows("SELECT status FROM files") == [("deleted",)] * 5
    assert len(await _requests(database)) == 5


async def _requests(database: Database) -> list[FileDeleteRequested]:
    return [event for event in await database.recorded() if isinstance(event, FileDeleteRequested)]
