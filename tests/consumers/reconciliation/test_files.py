"""Files without their bytes, and files that nobody is finalizing any more."""

import pytest

from consumers.reconciliation.comparing import Comparison
from consumers.reconciliation.finding import Kind
from consumers.reconciliation.repairing import Repair, TooMuchMissing
from domain.accounts.model import Account
from domain.aggregate import new_id
from domain.files.events import FileRejected, FileUploaded
from domain.files.model import File, RejectedReason, Status
from domain.files.promise import object_key
from infra.storage import Object, Storage, StorageError
from tests.consumers.reconciliation.conftest import Compare, a_file, found, kinds, put, repaired, with_object
from tests.database import Database
from tests.factories import a_processing_file, an_available_file
from tests.outbox.conftest import History

FINALIZER = "finalize_upload"


async def without_object(database: Database, storage: Storage, file: File) -> File:
    file.bucket = storage.bucket
    return await database.save(file)


async def stuck(history: History, database: Database, file: File, *, error: str = "given up") -> None:
    """Its finalization is dead."""
    await history.publish()
    await history.deliver(FINALIZER, error=error, where="type = 'file.uploaded'")


async def test_a_file_without_its_object_is_rejected(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    await a_file(database, bucket, owner)
    file = await without_object(database, bucket, an_available_file(owner_id=owner.id))

    (finding,) = await found(compare())
    assert (finding.kind, finding.file_id, finding.key) == (Kind.OBJECT_MISSING, file.id, file.key)
    assert await repaired(compare()) == 1

    now = await database.get(file)
    assert (now.status, now.rejected_reason) == (Status.REJECTED, RejectedReason.OBJECT_MISSING)
    assert [event.file_id for event in await database.recorded() if isinstance(event, FileRejected)] == [file.id]
    assert await kinds(compare()) == []


async def test_it_is_found_wherever_it_stands_among_pages_of_others(
    compare: Compare, bucket: Storage, database: Database, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.reconciliation.rows.BATCH", 2)
    files = [an_available_file(owner_id=owner.id) for _ in range(12)]
    missing = {file.id for file in files[::3]}
    for file in files:
        await (without_object if file.id in missing else with_object)(database, bucket, file)
    orphans = {await put(bucket, object_key(new_id())) for _ in range(3)}

    small = _InSmallPages.of(compare(), size=2)
    findings = await found(small)

    assert {each.file_id for each in findings if each.kind is Kind.OBJECT_MISSING} == missing
    assert {each.key for each in findings if each.kind is Kind.OBJECT_WITHOUT_ROW} == orphans
    assert len(findings) == len(missing) + len(orphans)


async def test_a_file_of_another_bucket_is_not_missing_here(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    await database.save(an_available_file(owner_id=owner.id))

    assert await kinds(compare()) == []


async def test_a_bucket_that_is_away_is_not_empty(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    await without_object(database, bucket, an_available_file(owner_id=owner.id))
    await bucket.client.delete_bucket(Bucket=bucket.bucket)

    with pytest.raises(StorageError, match="no bucket"):
        await kinds(compare())


async def test_where_too_much_is_missing_nothing_is_rejected(
    compare: Compare, bucket: Storage, database: Database, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.reconciliation.repairing.MANY", 2)
    files = [await without_object(database, bucket, an_available_file(owner_id=owner.id)) for _ in range(3)]

    page = await anext(compare().pages())
    with pytest.raises(TooMuchMissing, match="3 of 3 files"):
        await Repair.of(compare()).page(page)

    assert [(await database.get(file)).is_available for file in files] == [True] * 3


async def test_a_file_that_nobody_finalizes_any_more_is_announced_again(
    compare: Compare, bucket: Storage, database: Database, owner: Account, history: History
) -> None:
    file = await with_object(database, bucket, a_processing_file(owner_id=owner.id))
    await stuck(history, database, file)

    assert await kinds(compare()) == [Kind.PROCESSING_STUCK]
    assert await repaired(compare()) == 1

    first, again = [event for event in await database.recorded() if isinstance(event, FileUploaded)]
    assert (first.file_id, again.file_id, again.version) == (file.id, file.id, first.version + 1)
    assert (await database.get(file)).is_processing
    assert await kinds(compare()) == []  # somebody owes it again


async def test_a_file_whose_bytes_we_wrote_and_lost_is_rejected(
    compare: Compare, bucket: Storage, database: Database, owner: Account, history: History
) -> None:
    file = await without_object(database, bucket, a_processing_file(owner_id=owner.id, received_sha256="0" * 64))
    await stuck(history, database, file)

    assert await repaired(compare()) == 1
    assert (await database.get(file)).rejected_reason == RejectedReason.OBJECT_MISSING


async def test_a_file_that_is_about_to_be_finalized_is_not_stuck(
    compare: Compare, bucket: Storage, database: Database, owner: Account, history: History
) -> None:
    await with_object(database, bucket, a_processing_file(owner_id=owner.id))
    assert await kinds(compare()) == []  # its event is still to be handled

    await history.publish()
    await history.deliver(FINALIZER)
    await database.execute("UPDATE deliveries SET state = 'due', due_at = now()")
    assert await kinds(compare()) == []  # it is tried again


class _InSmallPages(Comparison):
    """As if S3 listed a few objects at a time."""

    @classmethod
    def of(cls, comparison: Comparison, *, size: int) -> Comparison:
        storage = comparison.storage

        class Small(Storage):
            async def objects(self, prefix: str, *, after: str = "") -> tuple[list[Object], bool]:
                listed, more = await storage.objects(prefix, after=after)
                return listed[:size], more or len(listed) > size

        small = Small(storage.client, storage.public, storage.bucket)
        return cls(comparison.sessions, small, comparison.grace, comparison.upload_grace)
