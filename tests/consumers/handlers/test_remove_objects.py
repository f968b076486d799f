"""Bytes that nobody may have any more are removed, and only those."""

import pytest

from consumers.handlers.remove_objects import remove_objects
from domain.accounts.model import Account
from domain.aggregate import new_id
from domain.files.events import FileDeleted
from domain.files.model import File, RejectedReason
from domain.files.promise import incoming_key, object_key
from infra.storage import ObjectMissing, Storage
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import a_pending_file, a_processing_file, an_available_file


async def with_bytes(file: File, database: Database, storage: Storage) -> File:
    await storage.put(file.key, b"abc", content_type="text/plain")
    return await database.save(file)


async def is_gone(storage: Storage, key: str) -> bool:
    try:
        await storage.size(key)
    except ObjectMissing:
        return True
    return False


async def test_a_deleted_files_object_is_removed_and_its_end_announced(
    handle: Handle, owner: Account, database: Database, storage: Storage
) -> None:
    file = an_available_file(owner_id=owner.id)
    file.delete()
    await with_bytes(file, database, storage)

    for _ in range(2):  # S3 forgives removing twice
        await handle(remove_objects, (await database.recorded())[2], storage)

    assert await is_gone(storage, file.key)
    assert [type(event) for event in (await database.recorded())[3:]] == [FileDeleted]


async def test_a_file_deleted_before_its_rejection_was_handled_ends_once(
    handle: Handle, owner: Account, database: Database, storage: Storage
) -> None:
    file = a_processing_file(owner_id=owner.id)
    file.reject(RejectedReason.CHECKSUM_MISMATCH)
    file.delete()
    await with_bytes(file, database, storage)

    for event in (await database.recorded())[1:3]:
        await handle(remove_objects, event, storage)

    assert [type(event) for event in (await database.recorded())[3:]] == [FileDeleted]


async def test_what_a_client_can_still_write_is_removed_once_the_file_is_available(
    handle: Handle, owner: Account, database: Database, storage: Storage
) -> None:
    file = a_processing_file(owner_id=owner.id)
    within_reach = file.key
    await storage.put(within_reach, b"abc", content_type="text/plain")
    file.moved_to(object_key(file.id, attempt=new_id()))
    file.verified(sha256="0" * 64, content_type="text/plain")
    await with_bytes(file, database, storage)

    await handle(remove_objects, (await database.recorded())[-1], storage)

    assert await is_gone(storage, within_reach)
    assert not await is_gone(storage, file.key)


async def test_a_rejected_files_bytes_are_removed_wherever_they_lie(
    handle: Handle, owner: Account, database: Database, storage: Storage
) -> None:
    file = a_processing_file(owner_id=owner.id)
    file.reject(RejectedReason.CHECKSUM_MISMATCH)
    await with_bytes(file, database, storage)
    await storage.put(incoming_key(file.id), b"abc", content_type="text/plain")

    await handle(remove_objects, (await database.recorded())[-1], storage)

    assert await is_gone(storage, file.key)
    assert await is_gone(storage, incoming_key(file.id))


async def test_an_unfinished_multipart_upload_is_aborted(
    handle: Handle, owner: Account, database: Database, storage: Storage
) -> None:
    file = a_pending_file(owner_id=owner.id, is_within_reach=False)
    file.upload_id = await storage.start_multipart(file.key, content_type="text/plain")
    await storage.put_part(file.key, file.upload_id, 1, b"half")
    file.delete()
    await database.save(file)

    await handle(remove_objects, (await database.recorded())[-1], storage)

    with pytest.raises(ObjectMissing):
        await storage.parts(file.key, file.upload_id)


async def test_a_late_event_does_not_remove_what_is_available(
    handle: Handle, owner: Account, database: Database, storage: Storage
) -> None:
    file = an_available_file(owner_id=owner.id)
    await with_bytes(file, database, storage)
    late = a_processing_file(owner_id=owner.id)
    late.id = file.id
    late.reject(RejectedReason.SIZE_MISMATCH)

    await handle(remove_objects, late.take_events()[-1], storage)

    assert not await is_gone(storage, file.key)
