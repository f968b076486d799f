"""A promise of bytes without a session: what is asked for most of all that changes something."""

from typing import Any

from litestar import Request
from litestar.status_codes import HTTP_201_CREATED

from api.records import described
from domain.accounts.quota import require_room
from domain.actor import Actor, Scope
from domain.files.commands import StartUpload
from domain.files.model import File
from outbox.promises import promise_at_once


async def promised_at_once(request: Request[Actor, Any, Any], command: StartUpload) -> File:
    """It is committed, and so is the row of the request. Raises ScopeMissing, AccountClosed, QuotaExceeded."""
    state, quota = request.app.state, command.default_quota
    owner_id = request.user.with_scope(Scope.FILES_WRITE).account_id
    file = File.promised(command.promise, owner_id=owner_id, place=command.place)
    noted = described(request.scope, HTTP_201_CREATED)
    while not await promise_at_once(state.driver, file, noted, default_quota=quota):
        async with state.sessions() as session:
            await require_room(session, owner_id, file.size, default_quota=quota)
    request.scope["state"]["command"] = noted["id"]
    return file
