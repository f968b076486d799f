"""How much an account may store. What is promised counts like what is there."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.errors import AccountClosed
from domain.accounts.model import Account
from domain.accounts.queries import storage_use
from domain.errors import TooLarge


class QuotaExceeded(TooLarge):
    """Your account has no room for this file."""

    slug = "quota-exceeded"


def quota_of(account: Account, *, default: int) -> int:
    """Bytes; `default` is everybody's."""
    return default if account.quota_bytes is None else account.quota_bytes


async def room_left(session: AsyncSession, account_id: UUID, *, default_quota: int) -> int:
    """Bytes, at this moment: whoever stores something takes the room. Raises AccountClosed."""
    return await _room(session, await session.get(Account, account_id, populate_existing=True), default_quota)


async def take_room(session: AsyncSession, account_id: UUID, size: int, *, default_quota: int) -> None:
    """Keep the account open, and its room from others, until the transaction ends. Raises AccountClosed, QuotaExceeded.

    The lock is asked for in a statement of its own: the sum after it sees what others have stored meanwhile.
    """
    locked = select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    account = await session.scalar(locked.execution_options(populate_existing=True))
    room = await _room(session, account, default_quota)
    if size > room:
        raise QuotaExceeded(room_bytes=max(room, 0))


async def _room(session: AsyncSession, account: Account | None, default_quota: int) -> int:
    if account is None or not account.is_open:
        raise AccountClosed
    used = await storage_use(session, account.id)
    return quota_of(account, default=default_quota) - used.used_bytes
