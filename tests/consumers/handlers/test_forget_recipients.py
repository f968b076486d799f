"""When a file is gone, nobody's address and no message is kept for it."""

from typing import Any

import pytest

from consumers.handlers.forget_recipients import forget_recipients
from domain.accounts.model import Account
from domain.actor import Actor
from domain.files.events import FileDeleteRequested, FileExpired, FileRejected
from domain.shares.commands import ShareFile, share_file
from domain.shares.model import Terms
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import a_file_available, an_available_file


@pytest.mark.parametrize("ended", [FileDeleteRequested, FileExpired, FileRejected])
async def test_recipients_and_messages_of_that_file_are_forgotten(
    ended: type, handle: Handle, owner: Account, database: Database
) -> None:
    gone, kept = [await database.save(an_available_file(owner_id=owner.id)) for _ in range(2)]
    for file in (gone, gone, kept):
        async with database.sessions.begin() as session:
            command = ShareFile(file_id=file.id, terms=Terms(message="Hello"), recipients=["ada@example.com"])
            await share_file(session, Actor(owner.id), command)
    told = a_file_available(file_id=gone.id, owner_id=owner.id)
    more: dict[type, dict[str, Any]] = {
        FileExpired: {"expires_at": gone.created_at},
        FileRejected: {"reason": "too_large"},
    }

    for _ in range(2):  # the second time finds nothing to do
        await handle(forget_recipients, ended(**vars(told) | more.get(ended, {})))

    query = "SELECT file_id, message, email FROM shares LEFT JOIN share_recipients r ON r.share_id = id ORDER BY id"
    nothing = (gone.id, None, None)
    assert await database.rows(query) == [nothing, nothing, (kept.id, "Hello", "ada@example.com")]
