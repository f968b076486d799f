"""The storage contract, held by rclone and by moto alike."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from infra import storage as storage_module
from infra.settings import Settings
from infra.storage import ObjectMissing, Storage, StorageError

MIB = 1024 * 1024


async def content(storage: Storage, key: str) -> bytes:
    return b"".join([chunk async for chunk in storage.read(key)])


async def test_what_is_put_can_be_read_measured_copied_and_deleted(any_storage: Storage) -> None:
    key, copy = f"contract/{uuid4()}", f"contract/{uuid4()}"

    await any_storage.put(key, b"hello", content_type="text/plain")
    await any_storage.copy(key, copy)

    assert await any_storage.size(key) == 5
    assert await content(any_storage, copy) == b"hello"
    await any_storage.delete(key)
    await any_storage.delete(key)
    with pytest.raises(ObjectMissing):
        await any_storage.size(key)
    assert await any_storage.size(copy) == 5


async def test_the_start_of_an_object_can_be_read_alone(any_storage: Storage) -> None:
    key = f"contract/{uuid4()}"
    await any_storage.put(key, b"hello", content_type="text/plain")

    assert await any_storage.read_start(key, 2) == b"he"
    assert await any_storage.read_start(key, 100) == b"hello"


async def test_an_empty_object_is_an_object(any_storage: Storage) -> None:
    key = f"contract/{uuid4()}"

    await any_storage.put(key, b"", content_type="text/plain")

    assert await any_storage.size(key) == 0
    assert await content(any_storage, key) == b""


async def test_an_object_that_is_not_there_is_missing(any_storage: Storage) -> None:
    with pytest.raises(ObjectMissing):
        await any_storage.size("files/nothing")
    with pytest.raises(ObjectMissing):
        await content(any_storage, "files/nothing")
    with pytest.raises(ObjectMissing):
        await any_storage.copy("files/nothing", "files/something")


async def test_parts_are_listed_and_become_one_object(any_storage: Storage) -> None:
    key = f"contract/{uuid4()}"
    upload_id = await any_storage.start_multipart(key, content_type="text/plain")
    assert await any_storage.parts(key, upload_id) == []
    assert await any_storage.has_multipart(key, upload_id)

    for number, body in enumerate((b"a" * 5 * MIB, b"b"), start=1):
        await any_storage.put_part(key, upload_id, number, body)
    listed = await any_storage.parts(key, upload_id)
    await any_storage.complete_multipart(key, upload_id, listed)

    assert [(part.number, part.size) for part in listed] == [(1, 5 * MIB), (2, 1)]
    assert await any_storage.size(key) == 5 * MIB + 1


async def test_completing_again_either_changes_nothing_or_says_that_the_upload_is_gone(any_storage: Storage) -> None:
    key = f"contract/{uuid4()}"
    upload_id = await any_storage.start_multipart(key, content_type="text/plain")
    part = await any_storage.put_part(key, upload_id, 1, b"once")
    await any_storage.complete_multipart(key, upload_id, [part])

    with suppress(ObjectMissing):
        await any_storage.complete_multipart(key, upload_id, [part])

    assert await content(any_storage, key) == b"once"


async def test_an_aborted_upload_leaves_nothing_and_may_be_aborted_again(any_storage: Storage) -> None:
    key = f"contract/{uuid4()}"
    upload_id = await any_storage.start_multipart(key, content_type="text/plain")
    await any_storage.put_part(key, upload_id, 1, b"half")

    await any_storage.abort_multipart(key, upload_id)
    await any_storage.abort_multipart(key, upload_id)

    assert not await any_storage.has_multipart(key, upload_id)
    with pytest.raises(ObjectMissing):
        await any_storage.parts(key, upload_id)
    with pytest.raises(ObjectMissing):
        await any_storage.size(key)


async def test_objects_are_listed_in_order_a_page_at_a_time(
    any_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "PAGE", 10)
    prefix, other = f"{uuid4()}/", f"{uuid4()}/"
    keys = sorted(f"{prefix}{uuid4()}" for _ in range(11))
    writing = (any_storage.put(key, b"abc", content_type="text/plain") for key in [*keys, f"{other}x"])
    await asyncio.gather(*writing)

    page, more = await any_storage.objects(prefix)
    rest, and_more = await any_storage.objects(prefix, after=page[-1].key)

    assert [each.key for each in page + rest] == keys
    assert (len(page), more, and_more) == (10, True, False)
    assert {each.size for each in page} == {3}
    assert abs(datetime.now(UTC) - rest[0].modified_at) < timedelta(minutes=1)


async def test_unfinished_uploads_are_listed_with_their_last_part_until_they_end(any_storage: Storage) -> None:
    prefix = f"{uuid4()}/"
    begun = {
        key: await any_storage.start_multipart(key, content_type="text/plain") for key in (prefix + "a", prefix + "b")
    }
    await any_storage.put_part(prefix + "a", begun[prefix + "a"], 1, b"abc")

    listed = [each async for page in any_storage.unfinished(prefix) for each in page]
    assert {each.key: each.upload_id for each in listed} == begun
    last = await any_storage.last_part_at(prefix + "a", begun[prefix + "a"])
    assert last is not None
    assert abs(datetime.now(UTC) - last) < timedelta(minutes=1)
    assert await any_storage.last_part_at(prefix + "b", begun[prefix + "b"]) is None

    for key, upload_id in begun.items():
        await any_storage.abort_multipart(key, upload_id)
    assert [page async for page in any_storage.unfinished(prefix) if page] == []
    with pytest.raises(ObjectMissing):
        await any_storage.last_part_at(prefix + "a", begun[prefix + "a"])


async def test_presigned_urls_write_and_read_with_name_and_type(any_storage: Storage) -> None:
    key = f"contract/{uuid4()}"
    async with httpx.AsyncClient() as http:
        put = await http.put(await any_storage.url_to_put(key, expires_in=60), content=b"hello")
        headers = {"disposition": "attachment; filename*=UTF-8''na%C3%AFve.txt", "content_type": "text/markdown"}
        url = await any_storage.url_to_get(key, **headers, expires_in=60)
        got = await http.get(url)
        part_of = await http.get(url, headers={"Range": "bytes=1-2"})

    assert put.status_code == 200
    assert (got.status_code, got.content) == (200, b"hello")
    assert got.headers["Content-Type"] == "text/markdown"
    assert got.headers["Content-Disposition"] == headers["disposition"]
    assert part_of.content == b"el"  # with status 206 from S3, 200 from rclone


async def test_presigned_parts_become_one_object(any_storage: Storage) -> None:
    key = f"contract/{uuid4()}"
    upload_id = await any_storage.start_multipart(key, content_type="text/plain")
    bodies = [b"a" * 5 * MIB, b"b" * 10]
    async with httpx.AsyncClient() as http:
        for number, body in enumerate(bodies, start=1):
            url = await any_storage.url_to_put_part(key, upload_id, number, expires_in=60)
            assert (await http.put(url, content=body)).status_code == 200

    await any_storage.complete_multipart(key, upload_id, await any_storage.parts(key, upload_id))

    assert await any_storage.size(key) == 5 * MIB + 10


async def test_a_server_out_of_reach_is_a_storage_error(stack: object) -> None:
    nowhere = Settings(s3_bucket="waybill", s3_endpoint_url="http://127.0.0.1:9")
    async with Storage.connect(nowhere) as storage:
        with pytest.raises(StorageError):
            await asyncio.wait_for(storage.ping(), 30)
