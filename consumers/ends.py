"""Ends of attempts that left nothing else to commit, as a mail does: noted together, at the price of one commit."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from infra.driver import Driver
from outbox.delivery import LeaseLost, Ticket
from outbox.tickets import finish_each


@dataclass
class Ends:
    """What ends while one statement is under way goes with the next: nobody waits for a batch to fill."""

    driver: Driver
    _waiting: dict[Ticket, asyncio.Future[bool]] = field(default_factory=dict)
    _noting: asyncio.Task[None] | None = None

    async def note(self, ticket: Ticket) -> None:
        """Returns once it is committed. Raises LeaseLost, or what kept all of them from being noted."""
        self._waiting[ticket] = noted = asyncio.get_running_loop().create_future()
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_all())
        if not await noted:
            raise LeaseLost

    async def stop(self) -> None:
        """Nobody waits any more."""
        if self._noting:
            self._noting.cancel()
            with suppress(asyncio.CancelledError):
                await self._noting

    async def _note_all(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                kept = await finish_each(self.driver, list(waiting))
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
                for noted in waiting.values():
                    _end(noted, error)
            else:
                for ticket, noted in waiting.items():
                    _end(noted, ticket.position in kept)


def _end(noted: asyncio.Future[bool], how: bool | Exception) -> None:
    """Unless whoever waited has been cancelled."""
    if noted.done():
        return
    if isinstance(how, Exception):
        noted.set_exception(how)
    else:
        noted.set_result(how)
