"""Whether the session that an access token names is still alive, though the token itself is good.

Asked of Postgres, and remembered in this process for as long as anybody may be let in by what was revoked elsewhere.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from outbox.session import Sessions

REMEMBERED_SECONDS = 5.0
CAPACITY = 100_000
"""Sessions remembered at once, some 20 MB; beyond, those not asked for the longest are forgotten."""

Look = Callable[[AsyncSession, UUID], Awaitable[bool]]
"""Asks Postgres whether the session of this id is alive."""


@dataclass
class Liveness:
    sessions: Sessions
    _known: OrderedDict[UUID, tuple[bool, float]] = field(default_factory=OrderedDict)
    """Whether it was alive, and when we asked."""
    _changes: int = 0

    async def is_alive(self, credential_id: UUID, look: Look) -> bool:
        alive, asked_at = self._known.get(credential_id, (False, float("-inf")))
        if time.monotonic() - asked_at > REMEMBERED_SECONDS:
            return await self._ask(credential_id, look)
        self._known.move_to_end(credential_id)
        return alive

    def forget(self, credential_ids: Iterable[UUID]) -> None:
        self._changes += 1
        for each in credential_ids:
            self._known.pop(each, None)

    def forget_once_committed(self, session: AsyncSession, credential_ids: Iterable[UUID]) -> None:
        """Not before: whoever asked in between would be told of the state before."""
        ids = list(credential_ids)
        event.listen(session.sync_session, "after_commit", lambda _: self.forget(ids), once=True)

    async def _ask(self, credential_id: UUID, look: Look) -> bool:
        asked_at, changes = time.monotonic(), self._changes
        async with self.sessions() as session:
            alive = await look(session, credential_id)
        if changes == self._changes:  # else the answer may be older than a revocation of ours
            self._known[credential_id] = alive, asked_at
            self._known.move_to_end(credential_id)
            if len(self._known) > CAPACITY:
                self._known.popitem(last=False)
        return alive
