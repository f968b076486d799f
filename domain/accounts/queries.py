"""What one can ask of accounts."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.errors import AccountClosed
from domain.accounts.model import Account
from domain.actor import Actor


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
