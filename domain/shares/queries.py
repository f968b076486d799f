"""What one can ask of shares: their owner, and whoever has a token."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import secret
from domain.accounts.model import Account
from domain.actor import Actor
from domain.files.errors import FileGone
from domain.files.model import File
from domain.files.presentation import Content
from domain.files.queries import own_file
from domain.shares.errors import ShareNotFound
from domain.shares.model import Share, ShareRecipient, ShareToken


@dataclass(frozen=True)
class SharedFile:
    """A share that leads to a file, which may still be on its way."""

    share: Share
    file: File

    @property
    def expires_at(self) -> datetime | None:
        """Whichever ends first."""
        return min(filter(None, (self.share.expires_at, self.file.expires_at)), default=None)

    def content(self) -> Content:
        """Raises FileGone, FileNotReady."""
        return replace(self.file.content(), expires_at=self.expires_at)


async def shared_file(session: AsyncSession, token: str) -> SharedFile:
    """Raises ShareNotFound, ShareExpired, ShareUsedUp, FileGone."""
    tokens = select(ShareToken.share_id).where(ShareToken.hash == secret.hashed(token))
    return await _open(session, Share.id == tokens.scalar_subquery())


async def share_by_id(session: AsyncSession, share_id: UUID) -> SharedFile:
    """For whoever tells others of it. Raises ShareNotFound, ShareExpired, ShareUsedUp, FileGone."""
    return await _open(session, Share.id == share_id)


async def _open(session: AsyncSession, which: ColumnElement[bool]) -> SharedFile:
    query = (
        select(Share, File)
        .join(File, File.id == Share.file_id)
        .join(Account, Account.id == File.owner_id)
        .where(which, Account.deleted_at.is_(None))
    )
    found = (await session.execute(query.execution_options(populate_existing=True))).one_or_none()
    if found is None:
        raise ShareNotFound
    share, file = found
    share.require_open()
    if file.needs_no_bytes or file.is_over:
        raise FileGone
    return SharedFile(share, file)


async def own_shares(
    session: AsyncSession, actor: Actor, file_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Share]:
    """A file's, newest first, also those that are over; `after` is the last of the page before. Raises FileNotFound."""
    await own_file(session, actor, file_id)
    query: Select[Any] = select(Share).where(Share.file_id == file_id)
    if after is not None:
        query = query.where(Share.id < after)
    return (await session.scalars(query.order_by(Share.id.desc()).limit(limit))).all()


async def recipients(session: AsyncSession, shares: Iterable[Share]) -> Mapping[UUID, list[ShareRecipient]]:
    """Of each share, by its id."""
    query = select(ShareRecipient).where(ShareRecipient.share_id.in_([share.id for share in shares]))
    found = defaultdict[UUID, list[ShareRecipient]](list)
    for recipient in await session.scalars(query.order_by(ShareRecipient.share_id, ShareRecipient.number)):
        found[recipient.share_id].append(recipient)
    return found
