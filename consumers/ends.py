"""Ends of attempts that left nothing else to commit, as a mail does: noted together, at the price of one commit."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from infra.database import is_away
from infra.driver import Driver
from outbox.delivery import LeaseLost, Ticket
from outbox.tickets import finish_each

STOP_SECONDS = 0.5
"""For the statement that is under way: what it notes need not be done again."""


@dataclass(frozen=True)
class End:
    ticket: Ticket
    noted: asyncio.Future[bool]
    """Whether the ticket was still ours."""

    def tell(self, noted: bool | Exception) -> None:
        """Unless whoever waited has been cancelled."""
        if self.noted.done():
            return
        if isinstance(noted, Exception):
            self.noted.set_exception(noted)
        else:
            self.noted.set_result(noted)


@dataclass
class Ends:
    """What ends while one statement is under way goes with the next: nobody waits for a batch to fill."""

    driver: Driver
    _waiting: list[End] = field(default_factory=list)
    _noting: asyncio.Task[None] | None = None

    async def note(self, ticket: Ticket) -> None:
        """Returns once it is committed. Raises LeaseLost, or why it could not be noted."""
        end = End(ticket, asyncio.get_running_loop().create_future())
        self._waiting.append(end)
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_all())
        if not await end.noted:
            raise LeaseLost

    async def stop(self) -> None:
        """Nobody waits any more."""
        if self._noting:
            await asyncio.wait([self._noting], timeout=STOP_SECONDS)
            self._noting.cancel()

    async def _note_all(self) -> None:
        ends: list[End] = []
        try:
            while ends := self._all_waiting():
                await self._note_together(ends)
        finally:  # if this task is cancelled: nobody waits for ever
            for end in (*ends, *self._all_waiting()):
                end.noted.cancel()

    def _all_waiting(self) -> list[End]:
        waiting, self._waiting = self._waiting, []
        return waiting

    async def _note_together(self, ends: Sequence[End]) -> None:
        """Where that fails although Postgres is there, each is tried by itself: one row keeps back only its own end."""
        try:
            kept = await finish_each(self.driver, [end.ticket for end in ends])
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            if len(ends) > 1 and not is_away(error):
                for end in ends:
                    await self._note_together([end])
                return
            for end in ends:
                end.tell(error)
        else:
            for end in ends:
                end.tell((end.ticket.position, end.ticket.attempt) in kept)
