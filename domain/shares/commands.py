"""What one can do to shares. Whatever a share becomes is told of its file, which is locked first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.actor import Actor, Scope
from domain.files.commands import own_file_locked
from domain.shares.errors import ShareNotFound
from domain.shares.model import Share, ShareRecipient, Terms, mint, recipients_of


@dataclass(frozen=True, kw_only=True)
class ShareFile:
    file_id: UUID
    terms: Terms = field(default_factory=Terms)
    recipients: Sequence[str] = ()
    """Addresses that get a mail with a link of their own."""


@dataclass(frozen=True, kw_only=True)
class RevokeShare:
    share_id: UUID


@dataclass(frozen=True)
class Shared:
    """A share, and the token that leads to it: known now and never again."""

    share: Share
    recipients: Sequence[ShareRecipient]
    token: str = field(repr=False)


async def share_file(session: AsyncSession, actor: Actor, command: ShareFile) -> Shared:
    """A file that is still being verified can be shared too. Raises FileNotFound, FileGone, FileNotReady."""
    file = await own_file_locked(session, actor, command.file_id)
    file.require_changeable()
    share = Share.of(file.id, command.terms)
    session.add(share)
    await session.flush()  # what refers to it comes after it
    minted, recipients = mint(share.id), recipients_of(share.id, command.recipients)
    session.add_all([minted.stored, *recipients])
    file.shared(
        share_id=share.id,
        expires_at=share.expires_at,
        max_downloads=share.max_downloads,
        has_password=share.has_password,
        recipients=len(recipients),
    )
    return Shared(share, recipients, minted.token)


async def revoke_share(session: AsyncSession, actor: Actor, command: RevokeShare) -> Share:
    """Every link to it leads nowhere from now on. Changes nothing when done again. Raises ShareNotFound."""
    actor.with_scope(Scope.FILES_WRITE)
    known = await session.get(Share, command.share_id)
    if known is None:
        raise ShareNotFound
    file = await own_file_locked(session, actor, known.file_id, or_else=ShareNotFound)
    share = await session.get_one(Share, known.id, with_for_update=True, populate_existing=True)
    if share.revoke():
        file.share_revoked(share_id=share.id)
    return share
