"""What one can do to accounts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain import secret
from domain.accounts import passwords
from domain.accounts.errors import AccountClosed, BadOneTimeToken, EmailTaken, WrongCredentials
from domain.accounts.model import Account, normal_email
from domain.accounts.one_time import OneTimeToken, Purpose
from domain.actor import Actor
from domain.revocation import revoke_service_tokens, revoke_sessions
from domain.sessions.queries import require_session


@dataclass(frozen=True, kw_only=True)
class Register:
    email: str
    password: str = field(repr=False)
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyAccount:
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RenameAccount:
    name: str | None


@dataclass(frozen=True, kw_only=True)
class RequestPasswordReset:
    email: str


@dataclass(frozen=True, kw_only=True)
class ResetPassword:
    token: str = field(repr=False)
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


async def authenticate(session: AsyncSession, email: str, password: str) -> Account:
    """The account, held as it is until the transaction ends.

    Raises WrongCredentials, the same and as slow whether the address is known or not; PasswordsBusy.
    """
    for _ in range(2):  # once more, if the hash was replaced while we compared: perhaps by a renewed one
        account, renewed = await _matching(session, email, password)
        still = select(Account).where(Account.id == account.id, Account.password_hash == account.password_hash)
        if await session.scalar(still.with_for_update(key_share=True)) is not None:
            account.password_hash = renewed
            return account
    raise WrongCredentials


async def verify_account(session: AsyncSession, command: VerifyAccount) -> Account:
    """Raises BadOneTimeToken."""
    account = await _redeem(session, command.token, Purpose.VERIFICATION)
    account.verify()
    return account


async def rename_account(session: AsyncSession, actor: Actor, command: RenameAccount) -> Account:
    """Raises AccountClosed, SessionEnded, PersonOnly."""
    account = await _own_account(session, actor)
    account.rename(command.name)
    return account


async def close_account(session: AsyncSession, actor: Actor) -> Sequence[UUID]:
    """Forget the person and end every credential; returns the ids of those.

    Raises AccountClosed, SessionEnded, PersonOnly.
    """
    account = await _own_account(session, actor)
    account.close()
    await session.execute(delete(OneTimeToken).where(OneTimeToken.account_id == account.id))
    return [*await revoke_sessions(session, account.id), *await revoke_service_tokens(session, account.id)]


async def request_password_reset(session: AsyncSession, command: RequestPasswordReset) -> None:
    """Of an address that nobody has, nothing is told: nor by the time that others who ask for it would wait."""
    known = select(Account).where(Account.email == normal_email(command.email))
    account = await session.scalar(known.with_for_update(read=True, key_share=True))
    if account is not None:
        account.request_password_reset()


async def reset_password(session: AsyncSession, command: ResetPassword) -> Sequence[UUID]:
    """Set another password and end every session; returns the ids of those.

    The mail was read, so the address is verified by it too. If it was not before, somebody else may have registered it:
    the service tokens end as well. Raises BadOneTimeToken, PasswordTooCommon, PasswordsBusy.
    """
    async with passwords.turn():
        token = await _require_good(session, command.token, Purpose.PASSWORD_RESET)
        owner = await session.get_one(Account, token.account_id)
        password_hash = await passwords.hashed(command.password, email=owner.email or "")
    account = await _redeem(session, command.token, Purpose.PASSWORD_RESET)
    account.password_hash = password_hash
    strangers = [] if account.is_verified else await revoke_service_tokens(session, account.id)
    account.verify()
    others = (OneTimeToken.purpose == Purpose.PASSWORD_RESET, OneTimeToken.used_at.is_(None))
    await session.execute(delete(OneTimeToken).where(OneTimeToken.account_id == account.id, *others))
    return [*await revoke_sessions(session, account.id), *strangers]


async def _matching(session: AsyncSession, email: str, password: str) -> tuple[Account, str]:
    """The account as it was when it was asked for, and its hash as it is made today."""
    known = select(Account).where(Account.email == normal_email(email))
    async with passwords.turn():
        account = await session.scalar(known.execution_options(populate_existing=True))
        password_hash = None if account is None else account.password_hash
        if not await passwords.matches(password, password_hash) or account is None:
            raise WrongCredentials
        return account, await passwords.renewed(password, account.password_hash)


async def _own_account(session: AsyncSession, actor: Actor) -> Account:
    """The actor's account, locked, and the session too."""
    account = await session.get(Account, actor.as_person().account_id, with_for_update=True)
    if account is None or not account.is_open:
        raise AccountClosed
    await require_session(session, actor)
    return account


async def _require_good(session: AsyncSession, token: str, purpose: Purpose) -> OneTimeToken:
    """As it is now. Raises BadOneTimeToken, the same for whatever is wrong."""
    found = await session.get(OneTimeToken, secret.hashed(token), populate_existing=True)
    if found is None or found.purpose != purpose or not found.is_good:
        raise BadOneTimeToken(field="token")
    return found


async def _redeem(session: AsyncSession, token: str, purpose: Purpose) -> Account:
    """Use a token up; returns its account, locked. Whatever uses or removes a token has locked its account first."""
    owner_id = (await _require_good(session, token, purpose)).account_id
    account = await session.get_one(Account, owner_id, with_for_update=True)
    if not account.is_open:
        raise BadOneTimeToken(field="token")
    (await _require_good(session, token, purpose)).use()
    return account
