"""A file's shares as an operator sees them: nobody's address, no token."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import DomainError
from domain.shares.model import Share
from domain.shares.queries import recipients


class ShareState(msgspec.Struct):
    id: UUID
    state: str
    """`open`, `revoked`, `expired` or `used-up`; its file may be gone all the same."""
    downloads: int
    max_downloads: int | None
    has_password: bool
    recipients: int
    mailed: int
    """How many of the recipients a mail was sent to."""
    created_at: datetime
    expires_at: datetime | None


async def share_states(session: AsyncSession, file_id: UUID) -> list[ShareState]:
    found = (await session.scalars(select(Share).where(Share.file_id == file_id).order_by(Share.id))).all()
    invited = await recipients(session, found)
    return [_share(share, [each.mailed_at for each in invited[share.id]]) for share in found]


def _share(share: Share, mailed_at: Sequence[datetime | None]) -> ShareState:
    return ShareState(
        id=share.id,
        state=_state(share),
        downloads=share.downloads,
        max_downloads=share.max_downloads,
        has_password=share.has_password,
        recipients=len(mailed_at),
        mailed=sum(each is not None for each in mailed_at),
        created_at=share.created_at,
        expires_at=share.expires_at,
    )


def _state(share: Share) -> str:
    if share.revoked_at is not None:
        return "revoked"
    try:
        share.require_open()
    except DomainError as ended:
        return ended.slug.removeprefix("share-")
    return "open"
