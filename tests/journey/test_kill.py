"""`kill -9` at the worst moment: what was accepted arrives, once and in order."""

import asyncio
import hashlib

import httpx

from domain.files.parts import MIB
from tests.factories import a_file_uploaded
from tests.journey.conftest import STREAM, House

BIG = 96 * MIB


async def test_a_worker_killed_while_it_finalizes_is_replaced_and_the_file_becomes_available(house: House) -> None:
    await house.start("api", "relay", "worker")
    content = bytes(range(256)) * (BIG // 256)
    promise = {"name": "big.bin", "size": BIG, "sha256": hashlib.sha256(content).hexdigest()}
    upload = (await house.http.post("/v1/uploads", json=promise)).json()["upload"]
    async with httpx.AsyncClient(timeout=60) as s3:
        for part in upload["parts"]:
            begin = (part["number"] - 1) * upload["part_size"]
            (await s3.put(part["url"], content=content[begin : begin + part["size"]])).raise_for_status()
    await house.http.post(f"/v1/uploads/{upload['id']}/complete")
    running = "SELECT 1 FROM deliveries WHERE consumer = 'finalize_upload' AND state = 'running'"
    await house.until(lambda: house.database.rows(running))

    house.kill("worker")

    assert await house.database.rows(running), "the kill came too late to prove anything"
    await house.until(house.all_are_available)
    await house.until(house.nothing_is_open)
    (attempts,) = await house.database.rows("SELECT attempts FROM deliveries WHERE consumer = 'finalize_upload'")
    assert attempts == (2,)
    types = [event.type for event in await house.database.recorded()]
    assert types == ["file.uploaded", "file.available", "file.indexed"]
    await house.assert_the_stream_is_the_outbox()


async def test_a_relay_killed_again_and_again_in_a_backlog_leaves_the_stream_whole(house: House) -> None:
    await house.database.record(*(a_file_uploaded() for _ in range(6_000)))
    await house.start("relay")
    for length in (1, 2_000, 4_000):

        async def has_come_so_far(length: int = length) -> bool:
            return await house.redis.xlen(STREAM) >= length

        await house.until(has_come_so_far)
        house.kill("relay")

    await house.until(house.all_is_published)
    await house.assert_the_stream_is_the_outbox()
    assert await house.redis.xlen(STREAM) == 6_000


async def test_an_api_killed_during_uploads_keeps_what_it_accepted_and_nothing_else(house: House) -> None:
    await house.start("api", "relay", "worker")
    accepted = [response.json()["id"] for response in [await house.upload(f"{n}.txt", b"abc") for n in range(5)]]
    half = asyncio.Event()

    async def endless() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="endless"\r\n\r\n'
        for number in range(100_000):
            yield bytes(MIB)
            if number == 20:  # beyond the first parts
                half.set()

    form = {"Content-Type": "multipart/form-data; boundary=b"}
    uploading = asyncio.create_task(house.http.post("/v1/files", content=endless(), headers=form))  # type: ignore[arg-type]
    await half.wait()

    house.kill("api")

    (error,) = await asyncio.gather(uploading, return_exceptions=True)
    assert isinstance(error, httpx.TransportError)

    async def is_back() -> bool:
        try:
            return (await house.http.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    await house.until(is_back)
    accepted.append((await house.upload("after.txt", b"abc")).json()["id"])
    await house.until(house.all_are_available)
    await house.until(house.nothing_is_open)
    assert sorted(accepted) == sorted(str(row.id) for row in await house.database.rows("SELECT id FROM files"))
    await house.assert_the_stream_is_the_outbox()
