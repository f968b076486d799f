"""A file of 1 GiB as the body of a PUT, and how much the process that takes it grows."""

import asyncio
import http.client
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import psutil

from tests.bench.item import Measured, Sides, at_least, at_most, item
from tests.bench.place import Place
from tests.bench.serving import Person, Server, api, people

MIB = 1024 * 1024
SIZE = 1024 * MIB


async def prepare(place: Place) -> None:
    await asyncio.to_thread(_write, place.directory / "gibibyte")


@item(at_least(0.8), at_most(64, "growth_mib"), unit="MiB/s", rounds=3, prepare=prepare)
@asynccontextmanager
async def upload_stream(place: Place) -> AsyncIterator[Sides]:
    file = place.directory / "gibibyte"
    async with place.database() as url, api(place, url) as server:
        (person,) = await people(place, url, 1)

        async def ours() -> Measured:
            await asyncio.to_thread(_tidy, place)
            return await _uploaded(server, person, file, before)

        async def floor() -> float:
            await asyncio.to_thread(_tidy, place)
            return await asyncio.to_thread(_uploaded_by_hand, place, file)

        for _ in range(3):  # imports, pools and caches are not the upload's
            await asyncio.to_thread(_put, server, person, b"warm" * 5 * MIB)
        before = psutil.Process(server.pid).memory_info().rss
        yield Sides(ours=ours, floor=floor, settings={"bytes": SIZE})


def _write(file: Path) -> None:
    if not file.exists() or file.stat().st_size != SIZE:
        with file.open("wb") as writing:
            for _ in range(SIZE // MIB):
                writing.write(os.urandom(MIB))


async def _uploaded(server: Server, person: Person, file: Path, before: int) -> Measured:
    process, highest = psutil.Process(server.pid), 0
    with file.open("rb") as reading:
        began = time.perf_counter()
        sending = asyncio.create_task(asyncio.to_thread(_put, server, person, reading))
        while not sending.done():
            highest = max(highest, process.memory_info().rss)
            await asyncio.wait([sending], timeout=0.05)
        await sending
        took = time.perf_counter() - began
    return Measured(SIZE / MIB / took, {"growth_mib": (highest - before) / MIB})


def _put(server: Server, person: Person, body: object) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, blocksize=MIB)
    length = len(body) if isinstance(body, bytes) else SIZE
    connection.request("PUT", "/u/gibibyte", body, {**person.headers, "Content-Length": str(length)})  # type: ignore[arg-type]
    response = connection.getresponse()
    if response.status != http.client.ACCEPTED:
        raise RuntimeError(response.read().decode())
    connection.close()


def _tidy(place: Place) -> None:
    """What was uploaded before is gone."""
    bucket = _bucket(place)
    for each in bucket.objects.all():
        each.delete()


def _bucket(place: Place) -> Any:
    s3 = boto3.resource("s3", endpoint_url=place.environment["WAYBILL_S3_ENDPOINT_URL"])
    return s3.Bucket(place.environment["WAYBILL_S3_BUCKET"])


# The floor: straight to S3, as boto3's own documentation has it.
def _uploaded_by_hand(place: Place, file: Path) -> float:
    bucket, began = _bucket(place), time.perf_counter()
    with file.open("rb") as reading:
        bucket.upload_fileobj(reading, f"floor/{uuid4()}")
    return SIZE / MIB / (time.perf_counter() - began)
