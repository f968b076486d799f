from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from consumers.expiry_notice import expiry_notice
from consumers.invitations import invite
from consumers.letters import letter
from consumers.subscription import Unmendable, consumes
from domain.accounts.errors import AccountClosed
from domain.accounts.events import AccountRegistered, PasswordResetRequested
from domain.accounts.model import Account
from domain.accounts.one_time import Purpose, mint
from domain.accounts.queries import require_open
from domain.files.events import FileExpiring, FileShared
from infra.failpoints import failpoint
from infra.mailer import Mail, Mailer, MailRefused
from infra.settings import Settings
from outbox.session import Sessions


@consumes(AccountRegistered, PasswordResetRequested, FileShared, FileExpiring)
async def send_mail(
    session: AsyncSession,
    event: AccountRegistered | PasswordResetRequested | FileShared | FileExpiring,
    event_id: UUID,
    sessions: Sessions,
    mailer: Mailer,
    settings: Settings,
) -> None:
    """Send what the event asks for. After a crash it may go twice, with the same Message-ID; each one's token works."""
    if isinstance(event, FileExpiring):
        await _send_notice(session, event, event_id, mailer, settings)
    elif not isinstance(event, FileShared):
        await _send_token(session, event, event_id, sessions, mailer, settings)
    elif event.recipients:
        await invite(session, event.share_id, event_id=event_id, sessions=sessions, mailer=mailer, settings=settings)


async def _send_notice(
    session: AsyncSession, event: FileExpiring, event_id: UUID, mailer: Mailer, settings: Settings
) -> None:
    mail = await expiry_notice(session, event, event_id, settings)
    await session.rollback()  # no connection is held while the mail server works
    if mail is not None:
        await _send(mailer, mail)


async def _send_token(
    session: AsyncSession,
    event: AccountRegistered | PasswordResetRequested,
    event_id: UUID,
    sessions: Sessions,
    mailer: Mailer,
    settings: Settings,
) -> None:
    purpose = Purpose.VERIFICATION if isinstance(event, AccountRegistered) else Purpose.PASSWORD_RESET
    to = _addressee(await session.get(Account, event.account_id), purpose)
    await session.rollback()  # no connection is held while the mail server works
    if to is None:
        return
    minted = mint(event.account_id, purpose)
    try:
        async with sessions.begin() as before:  # not with the delivery: who reads the mail at once can use its token
            await require_open(before, event.account_id)
            before.add(minted.stored)
    except AccountClosed:
        return
    values = {"public_url": settings.public_url, "token": minted.token}
    await _send(mailer, letter(purpose, id_=str(event_id), to=to, **values))


async def _send(mailer: Mailer, mail: Mail) -> None:
    """Raises Unmendable, MailError."""
    try:
        await mailer.send(mail)
    except MailRefused as refused:
        raise Unmendable(str(refused)) from None
    failpoint("mail.after_send")


def _addressee(account: Account | None, purpose: Purpose) -> str | None:
    """None where there is nothing (more) to say."""
    if account is None or not account.is_open or (purpose is Purpose.VERIFICATION and account.is_verified):
        return None
    return account.email
