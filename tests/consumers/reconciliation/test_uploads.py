"""Multipart uploads that nobody owns are aborted; those that somebody may be at are not."""

from datetime import timedelta

import pytest

from consumers.reconciliation.finding import Kind
from domain.accounts.model import Account
from domain.aggregate import new_id
from domain.files.model import File
from domain.files.promise import object_key
from domain.leftovers.events import UploadAborted
from infra.storage import ObjectMissing, Storage
from tests.consumers.reconciliation.conftest import Compare, found, kinds, repaired
from tests.database import Database
from tests.factories import a_pending_file

DAY = timedelta(days=1)


async def begun(storage: Storage, key: str) -> str:
    upload_id = await storage.start_multipart(key, content_type="text/plain")
    await storage.put_part(key, upload_id, 1, b"half")
    return upload_id


async def a_multipart_file(database: Database, storage: Storage, owner: Account) -> File:
    file = a_pending_file(owner_id=owner.id, is_within_reach=False)
    file.bucket, file.upload_id = storage.bucket, await begun(storage, file.key)
    return await database.save(file)


async def test_an_upload_that_no_row_knows_is_aborted(compare: Compare, bucket: Storage, database: Database) -> None:
    key = object_key(file_id := new_id())
    upload_id = await begun(bucket, key)

    (finding,) = await found(compare())
    assert (finding.kind, finding.file_id, finding.key) == (Kind.UPLOAD_WITHOUT_OWNER, file_id, key)
    assert await repaired(compare()) == 1

    with pytest.raises(ObjectMissing):
        await bucket.parts(key, upload_id)
    aborted = UploadAborted(file_id=file_id, bucket=bucket.bucket, key=key, reason="no_file")
    assert await database.recorded() == [aborted]
    assert await kinds(compare()) == []


async def test_an_upload_that_streams_through_us_has_no_row_yet_and_is_left_alone(
    compare: Compare, bucket: Storage
) -> None:
    key = object_key(new_id())
    upload_id = await begun(bucket, key)

    assert await kinds(compare(upload_grace=DAY)) == []
    assert len(await bucket.parts(key, upload_id)) == 1


async def test_an_upload_that_its_file_awaits_is_left_alone_however_old(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    await a_multipart_file(database, bucket, owner)

    assert await kinds(compare()) == []


async def test_an_upload_of_a_file_that_has_ended_or_has_another_one_is_aborted(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    ended, other = [await a_multipart_file(database, bucket, owner) for _ in range(2)]
    async with database.sessions.begin() as session:
        (await session.get_one(File, ended.id)).delete()
    second = await begun(bucket, other.key)

    uploads = [each for each in await found(compare()) if each.kind is Kind.UPLOAD_WITHOUT_OWNER]
    assert {(each.key, each.upload_id) for each in uploads} == {(ended.key, ended.upload_id), (other.key, second)}
    await repaired(compare())

    assert other.upload_id is not None
    assert len(await bucket.parts(other.key, other.upload_id)) == 1
    assert await kinds(compare()) == []
