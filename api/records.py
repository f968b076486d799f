"""The row of a command."""

from typing import Any

from litestar.types import HTTPScope, Scope
from sqlalchemy.ext.asyncio import AsyncSession

from api.request_id import request_id
from domain.aggregate import new_id, now
from outbox.command_log import CommandRecord


def record(scope: HTTPScope, status: int) -> CommandRecord:
    return CommandRecord(**described(scope, status))


def described(scope: HTTPScope, status: int) -> dict[str, Any]:
    """Its columns."""
    return {
        "id": new_id(),
        "name": f"{scope['method']} {scope['path_template']}",
        "actor": actor_name(scope),
        "request_id": request_id(scope),
        "status": status,
        "recorded_at": now(),
    }


def note(scope: HTTPScope, session: AsyncSession, command: CommandRecord) -> None:
    """It is stored with what it did; the log says so."""
    session.add(command)
    scope["state"]["command"] = command.id


def actor_name(scope: Scope) -> str:
    """An account's id, behind that a service token's, or `anonymous`.

    A service is not given again what its person was answered: its scopes might not allow it to ask.
    """
    actor = scope.get("user")
    if actor is None:
        return "anonymous"
    service = actor.service_token_id
    return str(actor.account_id) if service is None else f"{actor.account_id}/{service}"
