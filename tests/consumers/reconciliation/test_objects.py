"""Objects that nobody needs are found and removed, each told by an event; and no others."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from consumers.reconciliation.finding import Kind
from domain.accounts.model import Account
from domain.aggregate import new_id, now
from domain.files.events import FileDeleted
from domain.files.model import File, RejectedReason
from domain.files.promise import incoming_key, object_key
from domain.leftovers.events import ObjectRemoved
from infra.storage import Storage
from tests.consumers.reconciliation.conftest import Compare, a_file, found, is_gone, kinds, put, repaired, with_object
from tests.database import Database
from tests.factories import a_pending_file, a_processing_file, an_available_file

HOUR = timedelta(hours=1)


async def test_where_bytes_and_rows_agree_nothing_is_found(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    for _ in range(3):
        await a_file(database, bucket, owner)
    await with_object(database, bucket, a_pending_file(owner_id=owner.id))
    await with_object(database, bucket, a_processing_file(owner_id=owner.id))

    assert await kinds(compare()) == []


@pytest.mark.parametrize("key_of", [object_key, incoming_key, lambda id_: object_key(id_, attempt=new_id())])
async def test_an_object_without_a_row_is_removed(
    compare: Compare, bucket: Storage, database: Database, key_of: Callable[..., str]
) -> None:
    key = await put(bucket, key_of(file_id := new_id()))

    (finding,) = await found(compare())
    assert (finding.kind, finding.file_id, finding.key, finding.size) == (Kind.OBJECT_WITHOUT_ROW, file_id, key, 3)
    assert await repaired(compare()) == 1

    assert await is_gone(bucket, key)
    removed = ObjectRemoved(file_id=file_id, bucket=bucket.bucket, key=key, reason="no_file", size=3)
    assert await database.recorded() == [removed]
    assert await kinds(compare()) == []


async def test_what_is_young_may_be_on_its_way(compare: Compare, bucket: Storage, database: Database) -> None:
    key = await put(bucket, object_key(new_id()))

    assert await kinds(compare(grace=HOUR)) == []
    assert not await is_gone(bucket, key)


async def test_what_is_not_ours_is_nobodys_to_remove(compare: Compare, bucket: Storage) -> None:
    for key in ("readme.txt", "files/readme.txt", f"files/{new_id()}.txt", f"backup/{new_id()}", "uploads/x"):
        await put(bucket, key)

    assert await kinds(compare()) == []


async def test_what_finalization_left_behind_is_removed_and_the_file_kept(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    file = await a_file(database, bucket, owner)
    written_again = await put(bucket, incoming_key(file.id))
    slow_attempt = await put(bucket, object_key(file.id, attempt=new_id()))

    assert await kinds(compare()) == [Kind.OBJECT_NOT_NEEDED] * 2
    assert await repaired(compare()) == 2

    assert await is_gone(bucket, written_again)
    assert await is_gone(bucket, slow_attempt)
    assert not await is_gone(bucket, file.key)


@pytest.mark.parametrize("end", [File.delete, File.expire, lambda file: file.reject(RejectedReason.TOO_LARGE)])
async def test_what_should_have_gone_with_its_file_goes(
    compare: Compare, bucket: Storage, database: Database, owner: Account, end: Callable[[File], None]
) -> None:
    file = an_available_file(owner_id=owner.id, expires_at=now())
    end(file)
    await with_object(database, bucket, file)

    await repaired(compare())

    assert await is_gone(bucket, file.key)
    told = [type(event) for event in await database.recorded()]
    assert told.count(ObjectRemoved) == 1
    assert told.count(FileDeleted) == (end is File.delete)
    assert await kinds(compare()) == []


async def test_a_deletion_that_was_never_finished_is_finished(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    file = an_available_file(owner_id=owner.id)
    file.bucket = bucket.bucket
    file.delete()
    await database.save(file)

    assert await kinds(compare()) == [Kind.DELETION_STUCK]
    assert await repaired(compare()) == 1

    assert [type(event) for event in await database.recorded()][-1] is FileDeleted
    assert await kinds(compare()) == []


async def test_a_file_with_another_object_than_was_verified_is_named_and_left_alone(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    file = await a_file(database, bucket, owner, size=4)

    (finding,) = await found(compare())
    assert (finding.kind, finding.file_id, finding.size) == (Kind.OBJECT_DIFFERS, file.id, 3)
    assert await repaired(compare()) == 0
    assert (await database.get(file)).is_available
