"""How much an account may store. What is promised counts like what is there."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.errors import AccountClosed
from domain.accounts.model import Account
from domain.errors import TooLarge


class QuotaExceeded(TooLarge):
    """Your account has no room for this file."""

    slug = "quota-exceeded"


def quota_of(account: Account, *, default: int) -> int:
    """Bytes; `default` is everybody's."""
    return default if account.quota_bytes is None else account.quota_bytes


async def room_left(session: AsyncSession, account_id: UUID, *, default_quota: int) -> int:
    """Bytes, at this moment: whoever stores something takes the room. Raises AccountClosed."""
    return _room(await session.get(Account, account_id, populate_existing=True), default_quota)


async def take_room(session: AsyncSession, account_id: UUID, size: int, *, default_quota: int) -> None:
    """Keep the account open, and its room from others, until the transaction ends: the file itself is what fills it.

    Where there is none already, nobody queues to be told so. Raises AccountClosed, QuotaExceeded.
    """
    room = func.coalesce(Account.quota_bytes, default_quota) - Account.used_bytes
    roomy = select(Account.id).where(Account.id == account_id, Account.deleted_at.is_(None), room >= size)
    while await session.scalar(roomy.with_for_update(key_share=True)) is None:
        await require_room(session, account_id, size, default_quota=default_quota)


async def require_room(session: AsyncSession, account_id: UUID, size: int, *, default_quota: int) -> None:
    """At this moment. Raises AccountClosed, QuotaExceeded."""
    if size > (room := await room_left(session, account_id, default_quota=default_quota)):
        raise QuotaExceeded(room_bytes=max(room, 0))


def _room(account: Account | None, default_quota: int) -> int:
    if account is None or not account.is_open:
        raise AccountClosed
    return quota_of(account, default=default_quota) - account.used_bytes
