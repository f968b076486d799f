"""While no mail server answers, a mail is tried again, up to the limit; in the end it goes once."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
from redis.asyncio import Redis

from consumers.subscription import discover
from domain.aggregate import now
from domain.files.events import FileExpiring
from infra.embedded import EmbeddedStack
from infra.mailer import Mailer
from infra.settings import Settings
from outbox import dead_letters
from tests.consumers.conftest import MakeWorker
from tests.consumers.steps import handled, publish, read, settled
from tests.database import Database
from tests.factories import an_account, an_available_file
from tests.mails import mails_to
from tests.outbox.forwarder import forwarder_to_smtp


async def test_the_notice_of_an_expiring_file_waits_is_given_up_and_goes_once_when_it_is_tried_again(
    environment: Mapping[str, str],
    settings: Settings,
    database: Database,
    redis: Redis,
    make_worker: MakeWorker,
    stack: EmbeddedStack,
) -> None:
    owner = await database.save(an_account(verified_at=now()))
    file = an_available_file(owner_id=owner.id, expires_at=now() + timedelta(hours=20))
    file.warn()
    await database.save(file)
    await publish(database, redis)

    async with forwarder_to_smtp(environment) as smtp:
        reached = msgspec.structs.replace(settings, smtp_url=f"smtp://127.0.0.1:{smtp.port}")
        resources = {"settings": reached, "mailer": Mailer.of(reached), "sessions": database.sessions}
        worker = make_worker(discover()["send_mail"], max_attempts=3, resources=resources)
        entries = await read(worker, redis)
        await smtp.cut()
        await handled(worker, entries)
        assert await settled(worker, database) == [("dead", 3)]

        await smtp.mend()
        which = dead_letters.Which(consumer="send_mail")
        await dead_letters.redrive(database.sessions, await dead_letters.found(database.sessions, which), print)
        assert await settled(worker, database) == [("done", 1)]
        await handled(worker, entries)  # once more, as after a crash before it was acknowledged
        assert await settled(worker, database) == [("done", 1)]

    assert [event.type for event in await database.recorded()].count(FileExpiring.type) == 1
    assert len(mails_to(stack.maildir, str(owner.email))) == 1
