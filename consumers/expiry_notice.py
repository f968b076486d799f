"""The mail that says that a file's time is nearly over."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from consumers.letters import letter
from domain.accounts.model import Account
from domain.files.events import FileExpiring
from domain.files.model import File
from infra.mailer import Mail
from infra.settings import Settings


async def expiry_notice(session: AsyncSession, event: FileExpiring, id_: UUID, settings: Settings) -> Mail | None:
    """None where there is nothing to say any more: the file was prolonged, or it or its account has gone.

    Its name is told to those alone who have shown that they read this address: see `letters`.
    """
    file, owner = await session.get(File, event.file_id), await session.get(Account, event.owner_id)
    if file is None or not file.is_available or file.expires_at != event.expires_at:
        return None
    if owner is None or owner.email is None or not owner.is_open:
        return None
    return letter(
        "expiry_notice",
        id_=str(id_),
        to=owner.email,
        public_url=settings.public_url,
        file_id=file.id,
        name=file.name if owner.is_verified else None,
        over_at=f"{event.expires_at:%d %B %Y, %H:%M} UTC",
    )
