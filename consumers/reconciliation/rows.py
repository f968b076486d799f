"""What rows know of bytes."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, load_only

from domain.files.events import FileUploaded
from domain.files.model import File, Status
from outbox.delivery import Delivery, State
from outbox.message import OutboxMessage
from outbox.session import Sessions

BATCH = 1000
COLUMNS = (File.status, File.bucket, File.key, File.upload_id, File.size, File.updated_at)
"""All that is looked at: of a million files the rest would take twice the time."""
FINALIZER = "finalize_upload"

_handled = aliased(Delivery)
# Of its event that it was uploaded: nobody is at it, nobody will be.
UNATTENDED = and_(
    ~exists().where(
        Delivery.consumer == FINALIZER,
        Delivery.subject == File.id,
        Delivery.state.in_((State.DUE, State.RUNNING)),
    ),
    ~exists().where(
        OutboxMessage.subject == File.id,
        OutboxMessage.type == FileUploaded.type,
        ~exists().where(_handled.consumer == FINALIZER, _handled.position == OutboxMessage.position),
    ),
)


async def files(sessions: Sessions, ids: Collection[UUID]) -> Mapping[UUID, File]:
    """Those of these that there are."""
    async with sessions() as session:
        found = await session.scalars(select(File).where(File.id.in_(ids)).options(load_only(*COLUMNS)))
        return {file.id: file for file in found}


async def between(
    sessions: Sessions, bucket: str, after: UUID, upto: UUID, *, settled: datetime
) -> AsyncIterator[Sequence[File]]:
    """Files of a stretch of ids that should have an object, or should be further by now; a batch in a transaction."""
    while True:
        async with sessions() as session:
            stretch = select(File).where(File.id > after, File.id <= upto, File.bucket == bucket, _to_look_at(settled))
            looked_at = stretch.options(load_only(*COLUMNS)).order_by(File.id).limit(BATCH)
            batch = (await session.scalars(looked_at)).all()
        yield batch
        if len(batch) < BATCH:
            return
        after = batch[-1].id


async def is_stuck(session: AsyncSession, file: File, settled: datetime) -> bool:
    """Whether it is still so; the caller has locked the row."""
    found = await session.execute(select(File.id).where(File.id == file.id, _stuck(settled)))
    return found.first() is not None


def _to_look_at(settled: datetime) -> ColumnElement[bool]:
    unfinished = and_(File.status == Status.DELETED, File.removed_at.is_(None), File.updated_at < settled)
    return or_(File.status == Status.AVAILABLE, _stuck(settled), unfinished)


def _stuck(settled: datetime) -> ColumnElement[bool]:
    return and_(File.status == Status.PROCESSING, File.updated_at < settled, UNATTENDED)
