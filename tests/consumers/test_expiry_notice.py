"""Whoever owns a file is told before its time is over, unless there is nothing to tell any more."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from consumers.handlers.send_mail import send_mail
from domain.accounts.model import Account
from domain.aggregate import new_id, now
from domain.files.events import FileExpiring
from domain.files.model import File
from infra.embedded import EmbeddedStack
from infra.mailer import Mailer
from infra.settings import Settings
from tests.database import Database
from tests.factories import an_account, an_available_file
from tests.mails import mails_to, text

Notify = Callable[[File], Awaitable[None]]
LAST_DAY = now() + timedelta(hours=20)


@pytest.fixture
async def owner(database: Database) -> Account:
    return await database.save(an_account(verified_at=now()))


@pytest.fixture
def notify(database: Database, settings: Settings) -> Notify:
    """Tell of the file's last day, and handle what was told."""

    async def run(file: File) -> None:
        file.warn()
        (event,) = [each for each in file.take_events() if isinstance(each, FileExpiring)]
        async with database.session() as session:
            await send_mail(session, event, new_id(), database.sessions, Mailer.of(settings), settings)

    return run


async def saved(database: Database, owner: Account, name: str = "report.pdf") -> File:
    return await database.save(an_available_file(owner_id=owner.id, expires_at=LAST_DAY, name=name))


async def test_the_owner_is_told_which_file_it_is_and_how_to_keep_it(
    notify: Notify, owner: Account, database: Database, stack: EmbeddedStack, settings: Settings
) -> None:
    await notify(file := await saved(database, owner, name="naïve & <b>.txt"))

    (mail,) = mails_to(stack.maildir, str(owner.email))
    assert mail["Subject"] == "A file of yours expires soon"
    assert "naïve & <b>.txt" in text(mail)
    assert "naïve &amp; &lt;b&gt;.txt" in text(mail, "html")
    for kind in ("plain", "html"):
        assert f"{LAST_DAY:%d %B %Y, %H:%M} UTC" in text(mail, kind)
        assert f"{settings.public_url}/v1/files/{file.id}" in text(mail, kind)


async def test_an_address_that_nobody_has_verified_reads_no_strangers_words(
    notify: Notify, database: Database, stack: EmbeddedStack
) -> None:
    account = await database.save(an_account())

    await notify(await saved(database, account, name="https://evil.example"))

    (mail,) = mails_to(stack.maildir, str(account.email))
    assert "evil.example" not in mail.as_string() + text(mail) + text(mail, "html")


async def test_nobody_is_told_of_a_file_that_was_prolonged_or_is_gone(
    notify: Notify, owner: Account, database: Database, stack: EmbeddedStack
) -> None:
    changes = (lambda file: file.update({"expires_at": None}), File.delete, File.expire)
    for change in changes:
        file = await saved(database, owner)
        async with database.sessions.begin() as session:
            change(await session.get_one(File, file.id))

        await notify(file)
    await notify(an_available_file(owner_id=owner.id, expires_at=LAST_DAY))

    assert mails_to(stack.maildir, str(owner.email)) == []


async def test_nobody_is_told_whose_account_is_closed(
    notify: Notify, owner: Account, database: Database, stack: EmbeddedStack
) -> None:
    address, file = str(owner.email), await saved(database, owner)
    async with database.sessions.begin() as session:
        (await session.get_one(Account, owner.id)).close()

    await notify(file)

    assert mails_to(stack.maildir, address) == []
