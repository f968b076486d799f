"""What one can ask of accounts."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.errors import AccountClosed
from domain.accounts.model import Account
from domain.actor import Actor
from domain.files.model import WITHOUT_BYTES, File


@dataclass(frozen=True)
class StorageUse:
    used_bytes: int
    files: int


async def own_account(session: AsyncSession, actor: Actor) -> Account:
    """Raises AccountClosed, PersonOnly."""
    account = await session.get(Account, actor.as_person().account_id)
    if account is None or not account.is_open:
        raise AccountClosed
    return account


async def require_open(session: AsyncSession, account_id: UUID) -> None:
    """Keep the account from being closed until the transaction ends. Raises AccountClosed."""
    found = select(Account.id).where(Account.id == account_id, Account.deleted_at.is_(None))
    if await session.scalar(found.with_for_update(read=True, key_share=True)) is None:
        raise AccountClosed


async def storage_use(session: AsyncSession, account_id: UUID) -> StorageUse:
    """What the account's files take, or have been promised to take."""
    kept = (File.owner_id == account_id, File.status.not_in(WITHOUT_BYTES))
    used, files = (await session.execute(select(func.sum(File.size), func.count()).where(*kept))).one()
    return StorageUse(int(used or 0), files)
