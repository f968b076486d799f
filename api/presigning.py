"""Where a client may write bytes straight to S3: presigned URLs of one object, or of the parts of one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from api.views import PartView
from domain.aggregate import now
from domain.files import parts
from domain.files.model import File
from domain.files.parts import PlannedPart
from domain.files.promise import Place, incoming_key, object_key
from infra.storage import ObjectMissing, Storage

UPLOAD_TTL = timedelta(hours=24)
"""From when URLs were last asked for."""
URLS_AT_A_TIME = 20
"""Signing one takes some 0.2 ms of the event loop; others have their turn in between."""

Undo = Callable[[], Awaitable[None]]


@asynccontextmanager
async def opened(storage: Storage, file_id: UUID, size: int, content_type: str) -> AsyncIterator[tuple[Place, Undo]]:
    """A place for `size` bytes, and how to give it up: as happens unless the block ends well.

    One part is one object, of its own key; several are a multipart upload of the final one.
    """
    place = await _place(storage, file_id, size, content_type)
    undo = partial(_give_up, storage, place)
    try:
        yield place, undo
    except BaseException:
        await asyncio.shield(undo())
        raise


async def _place(storage: Storage, file_id: UUID, size: int, content_type: str) -> Place:
    part_size, until = parts.part_size(size), now() + UPLOAD_TTL
    upload_id, key = None, incoming_key(file_id)
    if size > part_size:
        key = object_key(file_id)
        upload_id = await storage.start_multipart(key, content_type=content_type)
    return Place(
        file_id=file_id, bucket=storage.bucket, key=key, upload_id=upload_id, part_size=part_size, open_until=until
    )


async def _give_up(storage: Storage, place: Place) -> None:
    if place.upload_id is not None:
        await storage.abort_multipart(place.key, place.upload_id)


def plan(file: File) -> list[PlannedPart]:
    return parts.plan(file.size, file.part_size)


async def signed(storage: Storage, file: File, wanted: Iterable[PlannedPart]) -> list[PartView]:
    """With URLs that end when the upload does."""
    seconds = _seconds_until(file.upload_expires_at)
    views: list[PartView] = []
    for part in wanted:
        views.append(PartView(part.number, part.size, await _url(storage, file, part.number, seconds)))
        if len(views) % URLS_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return views


def _seconds_until(end: datetime | None) -> int:
    return max(1, int(((end or now() + UPLOAD_TTL) - now()).total_seconds()))


async def _url(storage: Storage, file: File, number: int, seconds: int) -> str:
    if file.upload_id is None:
        return await storage.url_to_put(file.key, expires_in=seconds)
    return await storage.url_to_put_part(file.key, file.upload_id, number, expires_in=seconds)


async def restarted(storage: Storage, file: File) -> str | None:
    """A new multipart upload in place of one that S3 has lost, as some do when they start again; else None."""
    if file.upload_id is None or await storage.has_multipart(file.key, file.upload_id):
        return None
    try:
        await storage.size(file.key)
    except ObjectMissing:
        return await storage.start_multipart(file.key, content_type=file.content_type)
    return None


@dataclass(frozen=True)
class Received:
    """The parts that S3 has, by number: their sizes in bytes."""

    sizes: dict[int, int]

    def has(self, part: PlannedPart) -> bool:
        """Whole: what was cut off on its way counts for nothing."""
        return self.sizes.get(part.number) == part.size


async def received(storage: Storage, file: File) -> Received:
    """What S3 has of an upload that is pending; all of it where the parts have become one object already."""
    try:
        if file.upload_id is not None:
            return Received({part.number: part.size for part in await storage.parts(file.key, file.upload_id)})
    except ObjectMissing:
        pass
    try:
        size = await storage.size(file.key)
    except ObjectMissing:
        return Received({})
    if file.upload_id is None:
        return Received({1: size})
    return Received({part.number: part.size for part in plan(file)} if size == file.size else {})
