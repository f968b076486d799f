"""Mails go out with tokens that work, and that nobody finds anywhere else."""

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.handlers.send_mail import send_mail
from consumers.subscription import Unmendable
from domain.accounts.commands import ResetPassword, VerifyAccount, reset_password, verify_account
from domain.accounts.events import AccountRegistered, PasswordResetRequested
from domain.accounts.model import Account
from domain.aggregate import new_id, now
from domain.event import Event
from infra import failpoints
from infra.embedded import EmbeddedStack
from infra.mailer import Mailer, MailError
from infra.settings import Settings
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import an_account
from tests.mails import mails_to, text, token

Send = Callable[..., Awaitable[None]]


def registered(account: Account) -> AccountRegistered:
    return AccountRegistered(account_id=account.id, email="", name=None)


def reset_requested(account: Account) -> PasswordResetRequested:
    return PasswordResetRequested(account_id=account.id)


@pytest.fixture
def send(handle: Handle, database: Database, settings: Settings) -> Send:
    async def run(event: Event, **changed: str) -> None:
        changed_settings = msgspec.structs.replace(settings, **changed)
        resources = (database.sessions, Mailer.of(changed_settings), changed_settings)
        await handle(send_mail, event, new_id(), *resources)

    return run


async def test_whoever_registers_gets_a_token_that_verifies_the_address(
    send: Send, owner: Account, database: Database, stack: EmbeddedStack, settings: Settings
) -> None:
    await send(registered(owner))

    (mail,) = mails_to(stack.maildir, str(owner.email))
    assert mail["Subject"] == "Confirm your address"
    for kind in ("plain", "html"):
        assert f"{settings.public_url}/v1/accounts/verify" in text(mail, kind)
        assert token(mail) in text(mail, kind)
    async with database.sessions.begin() as session:
        await verify_account(session, VerifyAccount(token=token(mail)))
    assert (await database.get(owner)).is_verified


async def test_whoever_asks_for_a_reset_gets_a_token_that_sets_another_password(
    send: Send, owner: Account, database: Database, stack: EmbeddedStack
) -> None:
    await send(reset_requested(owner))

    (mail,) = mails_to(stack.maildir, str(owner.email))
    assert mail["Subject"] == "Set another password"
    async with database.sessions.begin() as session:
        await reset_password(session, ResetPassword(token=token(mail), password="another password"))
    assert (await database.get(owner)).password_hash.startswith("$argon2id$")


async def test_a_token_is_in_its_mail_alone(
    send: Send, owner: Account, database: Database, stack: EmbeddedStack
) -> None:
    await send(registered(owner))

    (mail,) = mails_to(stack.maildir, str(owner.email))
    for table in ("one_time_tokens", "outbox", "commands", "deliveries"):
        assert token(mail) not in str(await database.rows(f"SELECT * FROM {table}"))  # noqa: S608


async def test_after_a_crash_the_mail_goes_again_as_the_same_one_and_each_token_works(
    handle: Handle, owner: Account, database: Database, stack: EmbeddedStack, settings: Settings
) -> None:
    arguments = (registered(owner), event_id := new_id(), database.sessions, Mailer.of(settings), settings)
    failpoints.arm(_crash)
    with pytest.raises(KeyboardInterrupt):
        await handle(send_mail, *arguments)
    failpoints.arm(None)
    await handle(send_mail, *arguments)

    first, second = mails_to(stack.maildir, str(owner.email))
    assert str(event_id) in first["Message-ID"]
    assert first["Message-ID"] == second["Message-ID"]
    for mail in (first, second):
        async with database.sessions.begin() as session:
            await verify_account(session, VerifyAccount(token=token(mail)))


async def test_who_is_verified_or_gone_gets_no_mail(send: Send, database: Database, stack: EmbeddedStack) -> None:
    verified = await database.save(an_account(verified_at=now()))
    closed = an_account()
    address, events = str(closed.email), [registered(closed), reset_requested(closed)]
    closed.close()
    await database.save(closed)

    for event in [registered(verified), *events, registered(an_account())]:
        await send(event)

    assert mails_to(stack.maildir, str(verified.email)) == mails_to(stack.maildir, address) == []


async def test_an_account_that_is_closed_meanwhile_gets_no_token(
    handle: Handle, owner: Account, database: Database, stack: EmbeddedStack, settings: Settings
) -> None:
    @asynccontextmanager
    async def begin() -> AsyncIterator[AsyncSession]:
        await database.execute("UPDATE accounts SET deleted_at = now()")
        async with database.sessions.begin() as session:
            yield session

    await handle(
        send_mail, reset_requested(owner), new_id(), SimpleNamespace(begin=begin), Mailer.of(settings), settings
    )

    assert await database.rows("SELECT 1 FROM one_time_tokens") == []
    assert mails_to(stack.maildir, str(owner.email)) == []


async def test_what_a_stranger_calls_himself_is_in_no_mail(
    send: Send, database: Database, stack: EmbeddedStack
) -> None:
    """Whoever registers with somebody else's address would choose what that person reads."""
    account = await database.save(an_account(name="Click\r\nhttps://evil.example"))

    await send(registered(account))

    (mail,) = mails_to(stack.maildir, str(account.email))
    assert "evil.example" not in mail.as_string() + text(mail) + text(mail, "html")


async def test_an_address_that_takes_no_mail_is_given_up_at_once(send: Send, database: Database) -> None:
    account = await database.save(an_account(email="ada@a..b"))

    with pytest.raises(Unmendable) as caught:
        await send(registered(account))

    assert "ada@" not in "".join(traceback.format_exception(caught.value))


async def test_a_mail_server_that_is_away_is_tried_again(send: Send, owner: Account) -> None:
    with pytest.raises(MailError):
        await send(registered(owner), smtp_url="smtp://127.0.0.1:1")


def _crash(name: str) -> None:
    if name == "mail.after_send":
        raise KeyboardInterrupt
