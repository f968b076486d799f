"""What a session does with the events of its aggregates."""

from sqlalchemy import inspect

from domain.accounts.model import Account
from tests.database import Database
from tests.factories import an_account


async def test_what_was_rolled_back_is_told_by_nobody(database: Database) -> None:
    saved = await database.save(an_account())
    async with database.session() as session:
        account = await session.get_one(Account, saved.id)
        account.close()
        await session.rollback()

    assert account.take_events() == []


def test_a_rollback_forgives_that_an_aggregate_is_no_longer_in_memory() -> None:
    """SQLAlchemy then expires what nobody refers to any more: it hands over None."""
    account = an_account()
    state = inspect(account)
    del account

    state._expire({}, set())  # noqa: SLF001 - what a rollback does; when the object goes meanwhile is a matter of luck
