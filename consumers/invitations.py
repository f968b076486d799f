"""Mail to those with whom a file is shared: each gets a link of their own, made where their mail is made."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.letters import letter
from consumers.subscription import Unmendable
from domain.accounts.model import Account
from domain.aggregate import now
from domain.errors import DomainError
from domain.shares.model import ShareRecipient, mint
from domain.shares.queries import SharedFile, recipients, share_by_id
from infra.failpoints import failpoint
from infra.mailer import Mailer, MailRefused
from infra.settings import Settings
from outbox.session import Sessions


@dataclass(frozen=True)
class _Invitation:
    shared: SharedFile
    sender: str | None
    """Their address, if it is verified: nobody is named who may be somebody else."""
    waiting: list[ShareRecipient]


async def invite(
    session: AsyncSession, share_id: UUID, *, event_id: UUID, sessions: Sessions, mailer: Mailer, settings: Settings
) -> None:
    """Mail everybody who was not mailed yet. An address that is refused keeps nobody else from theirs.

    Raises MailError, Unmendable.
    """
    invitation = await _invitation(session, share_id)
    session.expunge_all()
    await session.rollback()  # no connection is held while the mail server works
    if invitation is None:
        return
    refused = []
    for recipient in invitation.waiting:
        try:
            await _mail(invitation, recipient, f"{event_id}.{recipient.number}", sessions, mailer, settings)
        except MailRefused as refusal:
            refused.append(f"recipient {recipient.number}: {refusal}")
    if refused:
        raise Unmendable("; ".join(refused))


async def _invitation(session: AsyncSession, share_id: UUID) -> _Invitation | None:
    """None where there is nothing (more) to say."""
    try:
        shared = await share_by_id(session, share_id)
    except DomainError:
        return None
    owner = await session.get_one(Account, shared.file.owner_id)
    invited = (await recipients(session, [shared.share]))[share_id]
    sender = owner.email if owner.is_verified else None
    return _Invitation(shared, sender, [each for each in invited if each.mailed_at is None])


async def _mail(
    invitation: _Invitation,
    recipient: ShareRecipient,
    mail_id: str,
    sessions: Sessions,
    mailer: Mailer,
    settings: Settings,
) -> None:
    minted = mint(recipient.share_id)
    async with sessions.begin() as before:  # who reads the mail at once can use its link
        before.add(minted.stored)
    shared = invitation.shared
    values = {
        "sender": invitation.sender,
        "file": shared.file,
        "share": shared.share,
        "until": shared.expires_at,
        "url": f"{settings.public_url}/s/{minted.token}",
        "public_url": settings.public_url,
    }
    await mailer.send(letter("invitation", id_=mail_id, to=recipient.email, **values))
    failpoint("mail.after_send")
    mailed = update(ShareRecipient).where(
        ShareRecipient.share_id == recipient.share_id, ShareRecipient.number == recipient.number
    )
    async with sessions.begin() as after:  # not with the delivery: a later recipient may have to be tried again
        await after.execute(mailed.values(mailed_at=now()))
