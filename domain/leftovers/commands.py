"""Whoever writes a file's first row and whoever takes its bytes for left over exclude each other."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Conflict
from domain.files.model import File
from domain.leftovers.model import Leftover, Reason

LOCKS = 0x0FF_C0FFE
"""The first half of an advisory lock's name; the second is made of the file's id."""


class BytesTakenBack(Conflict):
    """The bytes waited so long for their file that they were removed: send them again."""

    slug = "bytes-taken-back"


async def claim_bytes(session: AsyncSession, file_id: UUID) -> None:
    """Before the file's row is written: until the transaction ends, nobody takes its bytes for left over.

    Raises BytesTakenBack where somebody has.
    """
    await session.execute(select(func.pg_advisory_xact_lock_shared(LOCKS, _half(file_id))))
    if await session.scalar(select(Leftover.id).where(Leftover.file_id == file_id).limit(1)) is not None:
        raise BytesTakenBack


async def condemn(session: AsyncSession, found: Leftover) -> Leftover | None:
    """Decide that it goes; from the commit on no file can claim it. None where a file needs it, or it has gone."""
    await session.execute(select(func.pg_advisory_xact_lock(LOCKS, _half(found.file_id))))
    file = await session.get(File, found.file_id, populate_existing=True)
    if file is not None and (file.awaits(found.upload_id) if found.upload_id else file.may_need(found.key)):
        return None
    known = await session.get(Leftover, found.id, populate_existing=True)
    if known is None:
        found.reason = Reason.NO_FILE if file is None else Reason.NOT_NEEDED
        session.add(found)
        return found
    return known if known.removed_at is None else None


async def removed(session: AsyncSession, leftover_id: UUID) -> None:
    """It is gone from S3; if it was the object of a deleted file, so is that."""
    leftover = await session.get_one(Leftover, leftover_id, with_for_update=True, populate_existing=True)
    leftover.removed()
    file = await session.get(File, leftover.file_id, with_for_update=True, populate_existing=True)
    if file is not None and file.key == leftover.key:
        file.object_removed()


async def forget_leftovers(session: AsyncSession, *, before: datetime) -> None:
    """Those that were removed before a time: nobody comes late by so much."""
    old = delete(Leftover).where(Leftover.removed_at < before)
    await session.execute(old.execution_options(synchronize_session=False))


def _half(file_id: UUID) -> int:
    return int.from_bytes(file_id.bytes[-4:], "big", signed=True)
