"""A promise of bytes is held against its owner's room, stored, and noted as a command, by one statement.

It is a transaction of its own, in one round trip. What it says of room is what `take_room` says: whoever has to wait
for the account's row looks again at what the one before has left.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import BigInteger, bindparam, cast, func, insert, select

from domain.accounts.model import Account
from domain.files.model import File
from infra.driver import Driver, Statement
from infra.failpoints import failpoint
from outbox.command_log import CommandRecord

FILE = [column for column in File.__table__.c if column.name not in {"warned_for", "removed_at"}]
COMMAND = [CommandRecord.__table__.c[name] for name in ("id", "name", "actor", "request_id", "status", "recorded_at")]

NAMES = {"metadata": "details"}
"""Attributes that are called otherwise than their columns."""


def _statement() -> Statement:
    room = func.coalesce(Account.quota_bytes, bindparam("default_quota", type_=BigInteger)) - Account.used_bytes
    owner = select(Account.id).where(
        Account.id == bindparam("file_owner_id"), Account.deleted_at.is_(None), room >= bindparam("file_size")
    )
    roomy = owner.with_for_update(key_share=True).cte("roomy")
    values = [cast(bindparam(f"file_{column.name}", type_=column.type), column.type) for column in FILE]
    promised = insert(File).from_select(FILE, select(*values).select_from(roomy)).returning(File.id).cte("promised")
    command = [bindparam(f"command_{column.name}", type_=column.type) for column in COMMAND]
    noted = insert(CommandRecord).from_select(COMMAND, select(*command).select_from(promised)).cte("noted")
    return Statement.of(select(promised.c.id).add_cte(noted))


PROMISE = _statement()


async def promise_at_once(driver: Driver, file: File, command: Mapping[str, Any], *, default_quota: int) -> bool:
    """Whether there was an open account with room for it; nothing is stored otherwise. `command` are its columns."""
    values: dict[str, Any] = {
        f"file_{column.name}": getattr(file, NAMES.get(column.name, column.name)) for column in FILE
    }
    values["file_metadata"] = msgspec.json.encode(file.details).decode()
    values |= {f"command_{name}": value for name, value in command.items()}
    failpoint("api.before_commit")
    row = await driver.row(PROMISE, values | {"default_quota": default_quota})
    failpoint("api.after_commit")
    return row is not None
