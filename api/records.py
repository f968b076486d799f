"""The row of a command."""

from litestar.types import HTTPScope, Scope

from api.request_id import request_id
from domain.aggregate import new_id, now
from outbox.command_log import CommandRecord


def record(scope: HTTPScope, status: int) -> CommandRecord:
    return CommandRecord(
        id=new_id(),
        name=f"{scope['method']} {scope['path_template']}",
        actor=actor_name(scope),
        request_id=request_id(scope),
        status=status,
        recorded_at=now(),
    )


def actor_name(scope: Scope) -> str:
    """An account's id, or `anonymous`."""
    actor = scope.get("user")
    return "anonymous" if actor is None else str(actor.account_id)
