"""An upload becomes available only if its bytes are what was promised, on any S3 and after any crash."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from consumers.handlers.finalize_upload import finalize_upload
from domain.accounts.model import Account
from domain.aggregate import new_id
from domain.files.events import FileAvailable, FileRejected, FileUploaded
from domain.files.model import File, Status
from domain.files.promise import incoming_key, object_key
from infra.settings import Settings
from infra.storage import Storage, StorageError
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import a_pending_file, a_processing_file

MIB = 1024 * 1024
PART = 5 * MIB
EXE = b"MZ\x90" + bytes(200)
IMAGES = {"allowed_types": ("image/",)}


@pytest.fixture
def storage(any_storage: Storage) -> Storage:
    """What copes with one S3 need not cope with another."""
    return any_storage


@pytest.fixture
def finalize(handle: Handle, database: Database, storage: Storage, settings: Settings) -> Any:
    async def run(file: File, **limits: Any) -> File:
        event = next(event for event in await database.recorded() if isinstance(event, FileUploaded))
        given = {name: getattr(settings, name) for name in Settings.__struct_fields__} | limits
        await handle(finalize_upload, event, storage, Settings(**given))
        return await database.get(file)

    return run


async def arrived(file: File, database: Database, storage: Storage, content: bytes) -> File:
    await storage.put(file.key, content, content_type=file.content_type)
    return await database.save(file)


async def test_a_file_that_keeps_its_promise_becomes_available(
    finalize: Any, owner: Account, database: Database, storage: Storage, png: bytes
) -> None:
    digest = hashlib.sha256(png).hexdigest()
    promised = a_processing_file(
        owner_id=owner.id, name="x.bin", size=len(png), sha256=digest, content_type="text/plain"
    )

    file = await finalize(await arrived(promised, database, storage, png))

    assert (file.status, file.sha256, file.content_type) == (Status.AVAILABLE, digest, "image/png")
    assert isinstance((await database.recorded())[-1], FileAvailable)
    await storage.put(incoming_key(file.id), b"evil", content_type="text/plain")  # the client's URL still works
    assert await storage.size(file.key) == len(png)


async def test_an_empty_file_becomes_available(
    finalize: Any, owner: Account, database: Database, storage: Storage
) -> None:
    promised = a_processing_file(owner_id=owner.id, size=0, name="empty.txt", content_type="application/octet-stream")

    file = await finalize(await arrived(promised, database, storage, b""))

    assert (file.status, file.content_type) == (Status.AVAILABLE, "text/plain")
    assert file.sha256 == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("content", "promise", "limits", "reason"),
    [
        (b"abc", {"size": 4}, {}, "size_mismatch"),
        (b"abc", {"size": 2}, {}, "size_mismatch"),
        (b"abc", {"size": 3, "sha256": "0" * 64}, {}, "checksum_mismatch"),
        (b"abc", {"size": 3}, {"max_file_size": 2}, "too_large"),
        (b"abc", {"size": 3, "content_type": "text/plain"}, IMAGES, "type_not_allowed"),
        (b"abc", {"size": 3, "content_type": "image/png"}, IMAGES, "type_not_allowed"),
        (EXE, {"size": len(EXE), "name": "a.png", "content_type": "image/png"}, IMAGES, "type_not_allowed"),
    ],
)
async def test_a_file_that_breaks_its_promise_is_rejected(
    content: bytes,
    promise: dict[str, Any],
    limits: dict[str, Any],
    reason: str,
    finalize: Any,
    owner: Account,
    database: Database,
    storage: Storage,
) -> None:
    promised = a_processing_file(owner_id=owner.id, **promise)

    file = await finalize(await arrived(promised, database, storage, content), **limits)

    assert (file.status, file.rejected_reason) == (Status.REJECTED, reason)
    event = (await database.recorded())[-1]
    assert isinstance(event, FileRejected)
    assert event.reason == reason


async def test_a_file_that_never_came_is_rejected(finalize: Any, owner: Account, database: Database) -> None:
    file = await finalize(await database.save(a_processing_file(owner_id=owner.id)))

    assert file.rejected_reason == "object_missing"


@pytest.fixture
async def multipart(owner: Account, database: Database, storage: Storage) -> File:
    """A file of two parts, both received and not yet brought together."""
    file = a_pending_file(owner_id=owner.id, size=PART + 1, name="big.bin", part_size=PART, is_within_reach=False)
    file.upload_id = await storage.start_multipart(file.key, content_type="application/octet-stream")
    await storage.put_part(file.key, file.upload_id, 1, b"a" * PART)
    await storage.put_part(file.key, file.upload_id, 2, b"b")
    file.bytes_arrived()
    return await database.save(file)


async def test_parts_are_brought_together_from_what_s3_lists(finalize: Any, multipart: File) -> None:
    file = await finalize(multipart)

    assert file.status == Status.AVAILABLE
    assert file.sha256 == hashlib.sha256(b"a" * PART + b"b").hexdigest()


async def test_a_crash_after_s3_completed_the_upload_is_survived(
    finalize: Any, multipart: File, storage: Storage
) -> None:
    assert multipart.upload_id is not None
    parts = await storage.parts(multipart.key, multipart.upload_id)
    await storage.complete_multipart(multipart.key, multipart.upload_id, parts)

    assert (await finalize(multipart)).status == Status.AVAILABLE


async def test_parts_that_were_aborted_are_an_object_that_is_missing(
    finalize: Any, multipart: File, storage: Storage
) -> None:
    assert multipart.upload_id is not None
    await storage.abort_multipart(multipart.key, multipart.upload_id)

    assert (await finalize(multipart)).rejected_reason == "object_missing"


async def test_a_part_that_was_changed_after_all_had_come_is_found_by_its_checksum(
    finalize: Any, multipart: File, database: Database, storage: Storage
) -> None:
    assert multipart.upload_id is not None
    promised = hashlib.sha256(b"a" * PART + b"b").hexdigest()
    await database.execute("UPDATE files SET sha256 = :promised", promised=promised)
    try:
        await storage.put_part(multipart.key, multipart.upload_id, 2, b"c")
    except StorageError:
        pytest.skip("this S3 takes no part again with other bytes")

    assert (await finalize(multipart)).rejected_reason == "checksum_mismatch"


async def test_no_connection_is_held_while_bytes_are_read(
    owner: Account, database: Database, storage: Storage, settings: Settings, handle: Handle
) -> None:
    """A big file takes hours, and Postgres ends what is idle in a transaction for a minute."""
    await arrived(a_processing_file(owner_id=owner.id), database, storage, b"abc")
    held = []

    class Watched(Storage):
        async def read(self, key: str, *, chunk_size: int = MIB) -> AsyncIterator[bytes]:
            async for chunk in super().read(key, chunk_size=chunk_size):
                held.append(database.engine.pool.checkedout())  # type: ignore[attr-defined]
                yield chunk

    watched = Watched(storage.client, storage.public, storage.bucket)
    await handle(finalize_upload, (await database.recorded())[0], watched, settings)

    assert held == [0]


async def test_a_crash_after_the_bytes_were_copied_is_survived(
    finalize: Any, owner: Account, database: Database, storage: Storage
) -> None:
    file = await arrived(a_processing_file(owner_id=owner.id), database, storage, b"abc")
    await storage.copy(file.key, object_key(file.id, attempt=new_id()))

    assert (await finalize(file)).status == Status.AVAILABLE


async def test_parts_that_do_not_add_up_are_rejected_without_being_read(
    finalize: Any, multipart: File, database: Database
) -> None:
    await database.execute("UPDATE files SET size = size + 1")

    assert (await finalize(multipart)).rejected_reason == "size_mismatch"


async def test_a_slow_attempt_cannot_replace_what_another_one_has_verified(
    owner: Account, database: Database, storage: Storage, settings: Settings, handle: Handle
) -> None:
    file = await arrived(a_processing_file(owner_id=owner.id), database, storage, b"abc")
    uploaded = (await database.recorded())[0]
    copying, go = asyncio.Event(), asyncio.Event()

    class Slow(Storage):
        async def copy(self, source: str, target: str) -> None:
            copying.set()
            await go.wait()
            await super().copy(source, target)

    slow = asyncio.create_task(
        handle(finalize_upload, uploaded, Slow(storage.client, storage.public, storage.bucket), settings)
    )
    await copying.wait()
    await handle(finalize_upload, uploaded, storage, settings)
    await storage.put(file.key, b"bad", content_type="text/plain")
    go.set()
    await slow

    verified = await database.get(file)
    assert b"".join([chunk async for chunk in storage.read(verified.key)]) == b"abc"
    assert await objects_of(file, storage) == [verified.key]
    assert len(await database.recorded()) == 2


async def test_a_bucket_that_is_away_costs_no_file(
    owner: Account, database: Database, storage: Storage, settings: Settings, handle: Handle
) -> None:
    file = await arrived(a_processing_file(owner_id=owner.id), database, storage, b"abc")
    away = replace(storage, bucket="not-there-now")

    with pytest.raises(StorageError, match="there is no bucket"):
        await handle(finalize_upload, (await database.recorded())[0], away, settings)

    assert (await database.get(file)).is_processing


async def test_bytes_of_our_own_that_are_missing_are_a_fault_and_no_broken_promise(
    owner: Account, database: Database, storage: Storage, settings: Settings, handle: Handle
) -> None:
    await database.save(a_processing_file(owner_id=owner.id, received_sha256="1" * 64))

    with pytest.raises(StorageError, match="written by us"):
        await handle(finalize_upload, (await database.recorded())[0], storage, settings)


async def test_bytes_that_passed_through_us_are_not_hashed_again(
    finalize: Any, owner: Account, database: Database, storage: Storage
) -> None:
    seen = "1" * 64  # not their hash: whoever hashed them again would notice
    file = await database.save(a_processing_file(owner_id=owner.id, received_sha256=seen))
    await storage.put(file.key, b"abc", content_type="text/plain")

    assert (await finalize(file)).sha256 == seen


async def test_a_late_second_delivery_finds_nothing_to_do(
    finalize: Any, owner: Account, database: Database, storage: Storage
) -> None:
    first = await finalize(await arrived(a_processing_file(owner_id=owner.id), database, storage, b"abc"))

    second = await finalize(first)

    assert second.version == first.version
    assert len(await database.recorded()) == 2


async def test_a_file_deleted_while_its_bytes_are_brought_together_leaves_none_behind(
    owner: Account, database: Database, storage: Storage, settings: Settings, handle: Handle
) -> None:
    file = await arrived(a_processing_file(owner_id=owner.id), database, storage, b"abc")

    class Deleting(Storage):
        """The owner deletes the file, and its bytes are removed, just before they are moved to their place."""

        async def copy(self, source: str, target: str) -> None:
            await database.execute("UPDATE files SET status = 'deleted'")
            await super().copy(source, target)

    deleting = Deleting(storage.client, storage.public, storage.bucket)
    await handle(finalize_upload, (await database.recorded())[0], deleting, settings)

    assert await objects_of(file, storage) == []
    assert len(await database.recorded()) == 1


async def objects_of(file: File, storage: Storage) -> list[str]:
    """Keys out of the client's reach."""
    listed = await storage.client.list_objects_v2(Bucket=storage.bucket, Prefix=object_key(file.id))
    return [each["Key"] for each in listed.get("Contents", ())]
