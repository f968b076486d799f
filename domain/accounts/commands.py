"""What one can do to accounts."""

from dataclasses import dataclass, field

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts import passwords
from domain.accounts.model import Account, EmailTaken, WrongCredentials, normal_email


@dataclass(frozen=True, kw_only=True)
class Register:
    email: str
    password: str = field(repr=False)
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class LogIn:
    email: str
    password: str = field(repr=False)


async def register(session: AsyncSession, command: Register) -> Account:
    """Raises EmailTaken, PasswordTooCommon, PasswordsBusy."""
    async with passwords.turn():
        if await session.scalar(select(exists().where(Account.email == normal_email(command.email)))):
            raise EmailTaken
        password_hash = await passwords.hashed(command.password, email=command.email)
    account = Account.register(email=command.email, name=command.name, password_hash=password_hash)
    session.add(account)
    try:
        await session.flush()
    except IntegrityError as error:  # somebody else was quicker, between our look and our insert
        raise EmailTaken from error
    return account


async def log_in(session: AsyncSession, command: LogIn) -> Account:
    """Raises WrongCredentials, the same and as slow whether the address is known or not; PasswordsBusy."""
    async with passwords.turn():
        account = await session.scalar(select(Account).where(Account.email == normal_email(command.email)))
        password_hash = None if account is None else account.password_hash
        if not await passwords.matches(command.password, password_hash) or account is None:
            raise WrongCredentials
        account.password_hash = await passwords.renewed(command.password, account.password_hash)
    return account
