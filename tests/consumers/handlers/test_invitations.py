"""Those with whom a file is shared get a mail, each with a link of their own that nobody finds anywhere else."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from consumers.handlers.send_mail import send_mail
from consumers.subscription import Unmendable
from domain.accounts.model import Account
from domain.actor import Actor
from domain.aggregate import new_id, now
from domain.files.events import FileShared
from domain.files.model import File
from domain.shares.commands import RevokeShare, Shared, ShareFile, revoke_share, share_file
from domain.shares.errors import ShareUsedUp
from domain.shares.model import Terms
from domain.shares.queries import shared_file
from infra import failpoints
from infra.embedded import EmbeddedStack
from infra.mailer import Mailer, MailError
from infra.settings import Settings
from outbox.downloads import download_shared
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import an_account, an_available_file
from tests.mails import mails_to, text

LINK = re.compile(r"/s/(ws_[A-Za-z0-9_-]{43})")
Sharing = Callable[..., Awaitable[Shared]]
Send = Callable[..., Awaitable[None]]


@pytest.fixture
async def owner(database: Database) -> Account:
    return await database.save(an_account(verified_at=now()))


@pytest.fixture
def share(database: Database, owner: Account) -> Sharing:
    async def make(*recipients: str, name: str = "report.pdf", by: Account = owner, **terms: Any) -> Shared:
        file = await database.save(an_available_file(owner_id=by.id, name=name))
        async with database.sessions.begin() as session:
            command = ShareFile(file_id=file.id, terms=Terms(**terms), recipients=recipients)
            return await share_file(session, Actor(by.id), command)

    return make


@pytest.fixture
def send(handle: Handle, database: Database, settings: Settings) -> Send:
    async def run(mailer: Mailer | None = None) -> None:
        """What `file.shared` asks for."""
        (event,) = [event for event in await database.recorded() if isinstance(event, FileShared)]
        event_id = (await database.rows("SELECT event_id FROM outbox WHERE type = 'file.shared'"))[0][0]
        await handle(send_mail, event, event_id, database.sessions, mailer or Mailer.of(settings), settings)

    return run


def somebody() -> str:
    return f"{new_id().hex}@example.com"


def token(mail: EmailMessage) -> str:
    (found,) = LINK.findall(text(mail))
    assert f'href="http://localhost:8000/s/{found}"' in text(mail, "html") or found in text(mail, "html")
    return str(found)


async def test_each_recipient_gets_a_link_of_their_own_to_the_same_share(
    send: Send, share: Sharing, owner: Account, database: Database, stack: EmbeddedStack
) -> None:
    ada, eve = somebody(), somebody()
    made = await share(ada, eve.upper(), ada, max_downloads=2, expires_at=datetime(2100, 2, 3, 4, 5, tzinfo=UTC))

    await send()

    (to_ada,), (to_eve,) = mails_to(stack.maildir, ada), mails_to(stack.maildir, eve)
    assert to_ada["Subject"] == f"{owner.email} shares a file with you"
    for kind in ("plain", "html"):
        for said in ("report.pdf", "PDF document, 3 bytes", "3 February 2100, 04:05 UTC", "downloaded 2 times"):
            assert said in text(to_ada, kind)
        assert "password" not in text(to_ada, kind)
    assert len({made.token, token(to_ada), token(to_eve)}) == 3
    async with database.session() as session:
        for each in (token(to_ada), token(to_eve)):
            await download_shared(session, each, None, at_once=True)
        with pytest.raises(ShareUsedUp):
            await shared_file(session, made.token)


async def test_a_link_is_in_its_mail_alone(
    send: Send, share: Sharing, database: Database, stack: EmbeddedStack
) -> None:
    ada = somebody()
    await share(ada, password_hash="$argon2id$x")

    await send()

    (mail,) = mails_to(stack.maildir, ada)
    assert "It asks for a password" in text(mail)
    assert "argon2" not in text(mail)
    for table in ("shares", "share_tokens", "share_recipients", "outbox", "deliveries"):
        assert token(mail) not in str(await database.rows(f"SELECT * FROM {table}"))  # noqa: S608 - our own words


async def test_nobody_gets_a_second_mail(send: Send, share: Sharing, database: Database, stack: EmbeddedStack) -> None:
    ada = somebody()
    await share(ada)

    for _ in range(2):
        await send()

    assert len(mails_to(stack.maildir, ada)) == 1
    assert await database.rows("SELECT 1 FROM share_recipients WHERE mailed_at > now() - interval '1 minute'")


async def test_after_a_crash_the_mail_goes_again_as_the_same_one_and_to_nobody_else(
    send: Send, share: Sharing, stack: EmbeddedStack, database: Database
) -> None:
    ada, eve = somebody(), somebody()
    await share(ada, eve)
    sent: list[str] = []

    def crash(name: str) -> None:
        sent.append(name)
        if len(sent) == 2:
            raise KeyboardInterrupt

    failpoints.arm(crash)
    with pytest.raises(KeyboardInterrupt):
        await send()
    failpoints.arm(None)
    await send()

    first, second = mails_to(stack.maildir, eve)
    (only,) = mails_to(stack.maildir, ada)
    assert first["Message-ID"] == second["Message-ID"] != only["Message-ID"]
    async with database.session() as session:
        for each in (first, second):
            await shared_file(session, token(each))


async def test_an_address_that_is_refused_keeps_nobody_from_theirs(
    send: Send, share: Sharing, stack: EmbeddedStack
) -> None:
    ada = somebody()
    await share("eve@a..b", ada)

    with pytest.raises(Unmendable, match="recipient 0: ") as caught:
        await send()

    assert "eve@" not in str(caught.value)
    assert len(mails_to(stack.maildir, ada)) == 1


async def test_a_mail_server_that_is_away_is_tried_again(
    send: Send, share: Sharing, settings: Settings, stack: EmbeddedStack
) -> None:
    ada = somebody()
    await share(ada)
    with pytest.raises(MailError):
        await send(Mailer.of(settings.__class__(smtp_url="smtp://127.0.0.1:1")))

    await send()

    assert len(mails_to(stack.maildir, ada)) == 1


@pytest.mark.parametrize("end", ["revoked", "deleted", "closed"])
async def test_what_has_ended_meanwhile_is_told_nobody(
    end: str, send: Send, share: Sharing, owner: Account, database: Database, stack: EmbeddedStack
) -> None:
    ada = somebody()
    made = await share(ada)
    async with database.sessions.begin() as session:
        match end:
            case "revoked":
                await revoke_share(session, Actor(owner.id), RevokeShare(share_id=made.share.id))
            case "deleted":
                (await session.get_one(File, made.share.file_id)).delete()
            case "closed":
                (await session.get_one(Account, owner.id)).close()

    await send()

    assert mails_to(stack.maildir, ada) == []


async def test_nobody_is_named_who_may_be_somebody_else(
    send: Send, share: Sharing, database: Database, stack: EmbeddedStack
) -> None:
    ada, posing = somebody(), await database.save(an_account(name="Your Bank"))
    await share(ada, by=posing)

    await send()

    (mail,) = mails_to(stack.maildir, ada)
    assert mail["Subject"] == "Somebody shares a file with you"
    assert str(posing.email) not in mail.as_string()
    assert "Your Bank" not in mail.as_string()


async def test_what_somebody_wrote_stays_what_somebody_wrote(send: Send, share: Sharing, stack: EmbeddedStack) -> None:
    ada = somebody()
    await share(ada, name="<b>\u202egnp.exe", message="Hello\r\n<script>alert(1)</script>\n\nIf you know who shares it")

    await send()

    (mail,) = mails_to(stack.maildir, ada)
    assert "  | Hello\n  | <script>alert(1)</script>\n  | \n  | If you know" in text(mail)
    html = text(mail, "html")
    assert "<script>" not in html
    assert "<bdi>&lt;b&gt;\N{REPLACEMENT CHARACTER}gnp.exe</bdi>" in html
    assert "\u202e" not in html + text(mail)
