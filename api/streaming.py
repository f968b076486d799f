"""Bytes go from the socket to S3 as they come: a few parts are in memory at a time, however big the file."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import structlog

from domain.errors import TooLarge
from domain.files.parts import MAX_PARTS
from infra.storage import Part, Storage, StorageError

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
FIRST_PART_SIZE = 6 * MIB
PARTS_PER_SIZE = 1000
"""Where nobody knows how much comes, sizes double after so many parts: 10,000 of them hold 5 TiB."""
IN_FLIGHT = 2
"""Parts on their way to S3 while the next one fills: no client is read faster than S3 takes it."""

UNDO_SECONDS = 5.0


class FileTooLarge(TooLarge):
    """The file is larger than this service takes."""

    slug = "file-too-large"


def part_size(number: int, *, expected: int) -> int:
    """Of the part that comes after `number` others, of `expected` bytes at most; 0 where nobody knows."""
    if expected:
        return max(FIRST_PART_SIZE, -(-expected // MAX_PARTS))
    return FIRST_PART_SIZE << (number // PARTS_PER_SIZE)


@dataclass(frozen=True)
class Ceiling:
    """How many bytes may come, and what the next one raises."""

    size: int
    error: type[TooLarge] = FileTooLarge

    def require(self, size: int) -> None:
        """Raises TooLarge."""
        if size > self.size:
            raise self.error


class Incoming:
    """One object being written: a single PUT if it is small, a multipart upload otherwise."""

    def __init__(self, storage: Storage, key: str, *, content_type: str, ceiling: Ceiling, expected: int) -> None:
        self._storage, self._key, self._content_type = storage, key, content_type
        self._ceiling, self._expected = ceiling, expected
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._upload_id: str | None = None
        self._sending: set[asyncio.Task[Part]] = set()
        self._parts: list[Part] = []
        self._numbered = 0
        self._begun = False
        self.size = 0

    @property
    def sha256(self) -> str:
        """Hex, of what was written so far."""
        return self._digest.hexdigest()

    @classmethod
    @asynccontextmanager
    async def to(
        cls, storage: Storage, key: str, *, content_type: str, ceiling: Ceiling, expected: int
    ) -> AsyncIterator[Self]:
        """An object that exists only if the block ends well: whatever else happens, nothing is left in S3."""
        incoming = cls(storage, key, content_type=content_type, ceiling=ceiling, expected=expected)
        try:
            yield incoming
        except BaseException:
            await asyncio.shield(incoming.undo())
            raise

    async def write(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes; waits while S3 is behind. Raises TooLarge."""
        self.size += len(chunk)
        self._ceiling.require(self.size)
        self._digest.update(chunk)
        self._buffer += chunk
        if len(self._buffer) >= self._part_size:
            await self._send_part()

    async def finish(self) -> None:
        """The last byte has come: make the object."""
        self._begun = True
        if self._upload_id is None:
            await self._storage.put(self._key, bytes(self._buffer), content_type=self._content_type)
        else:
            if self._buffer:
                await self._send_part()
            await self._collect(to=0)
            self._parts.sort(key=lambda part: part.number)
            await self._storage.complete_multipart(self._key, self._upload_id, self._parts)
        self._buffer = bytearray()

    async def undo(self) -> None:
        """Nothing was written. Where S3 does not answer, something stays for reconciliation to find."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        try:
            async with asyncio.timeout(UNDO_SECONDS):
                await self._remove()
        except (StorageError, TimeoutError) as error:
            log.warning("upload.left_behind", key=self._key, error=f"{type(error).__name__}: {error}")

    async def _remove(self) -> None:
        if self._upload_id is not None:
            await self._storage.abort_multipart(self._key, self._upload_id)
        if self._begun:
            await self._storage.delete(self._key)

    @property
    def _part_size(self) -> int:
        return part_size(self._numbered, expected=self._expected)

    async def _send_part(self) -> None:
        if self._upload_id is None:
            self._upload_id = await self._storage.start_multipart(self._key, content_type=self._content_type)
        await self._collect(to=IN_FLIGHT - 1)
        self._numbered += 1
        body, self._buffer = bytes(self._buffer), bytearray()
        sending = self._storage.put_part(self._key, self._upload_id, self._numbered, body)
        self._sending.add(asyncio.create_task(sending))

    async def _collect(self, *, to: int) -> None:
        """Wait until no more than `to` parts are on their way."""
        while len(self._sending) > to:
            done, self._sending = await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            self._parts += [task.result() for task in done]
