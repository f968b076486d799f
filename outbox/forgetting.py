"""Kept answers are forgotten where a key that opens them has leaked."""

from uuid import UUID

from sqlalchemy import select, update

from outbox.command_log import CommandRecord
from outbox.session import Sessions

BATCH = 5000
"""Commands in one transaction."""


async def forget_answers(sessions: Sessions) -> None:
    """All that are kept: each command stays done, and its key known, but nobody can be told again what was answered."""
    after, found = UUID(int=0), BATCH
    while found == BATCH:
        following = select(CommandRecord.id).where(CommandRecord.id > after).order_by(CommandRecord.id).limit(BATCH)
        async with sessions.begin() as session:
            ids = (await session.scalars(following)).all()
            batch = update(CommandRecord).where(CommandRecord.id.in_(ids), CommandRecord.sealed_response.is_not(None))
            forgotten = batch.values(sealed_response=None, request_hash=None)
            await session.execute(forgotten.execution_options(synchronize_session=False))
        after, found = ids[-1] if ids else after, len(ids)
