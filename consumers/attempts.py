"""A ticket is tried in a transaction of its own, its lease renewed meanwhile, its end noted with the effect."""

import asyncio
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from consumers.subscription import Consumer, Unmendable
from outbox import delivery
from outbox.delivery import LeaseLost, Policy, State, Ticket
from outbox.session import Sessions

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Task:
    """A ticket and the data of its event."""

    ticket: Ticket
    data: bytes | str


@dataclass
class Attempts:
    """The attempts of one consumer in this worker: at most `concurrency` at once, those of one subject in order."""

    consumer: Consumer
    sessions: Sessions
    policy: Policy
    resources: Mapping[str, Any]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something became due here, so that nobody waits for the next look."""
    _chains: set[asyncio.Task[None]] = field(default_factory=set)
    _held: dict[int, Ticket] = field(default_factory=dict)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.consumer.concurrency)

    @property
    def free(self) -> int:
        """How many more could be tried right now."""
        return max(0, self.consumer.concurrency - len(self._chains))

    async def submit(self, tasks: Iterable[Task]) -> None:
        """Begin these as places become free; returns when the last of them has begun."""
        chains = _by_subject(tasks)
        self._held |= {task.ticket.position: task.ticket for chain in chains for task in chain}
        for chain in chains:
            await self._places.acquire()
            running = asyncio.create_task(self._run(chain), name=f"{self.consumer.name}:{chain[0].ticket.position}")
            self._chains.add(running)
            running.add_done_callback(self._ended)

    async def renew(self) -> None:
        """Say of everything we hold that we are still at it."""
        if self._held:
            async with self.sessions.begin() as session:
                await delivery.renew(session, list(self._held.values()), lease=self.policy.lease)

    def stop_starting(self) -> None:
        """From now on nothing new is tried; what comes is handed back."""
        self._stopping = True

    async def drain(self, grace: float) -> None:
        """Finish what has begun within `grace` seconds, and hand back the rest at once."""
        self.stop_starting()
        if self._chains:
            await asyncio.wait(self._chains, timeout=grace)
        for chain in list(self._chains):
            chain.cancel()
        await asyncio.gather(*self._chains, return_exceptions=True)
        for ticket in list(self._held.values()):
            await self._hand_back(ticket)

    async def _run(self, chain: Sequence[Task]) -> None:
        """One after the other; behind one that failed, or when we are to stop, the rest is for somebody else."""
        rest = list(chain)
        while rest and not self._stopping:
            if not await self._try(rest.pop(0)):
                break
        for task in rest:
            await self._hand_back(task.ticket)

    async def _try(self, task: Task) -> bool:
        """Whether the effect happened. Whatever happens instead is written down, and raises nothing."""
        try:
            await self._attempt(task)
        except LeaseLost:
            log.warning("delivery.lease_lost", consumer=self.consumer.name, position=task.ticket.position)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; it is recorded, retried, then dead
            await self._failed(task.ticket, error)
        else:
            self._held.pop(task.ticket.position, None)
            return True
        self._held.pop(task.ticket.position, None)
        return False

    async def _attempt(self, task: Task) -> None:
        event = self.consumer.decode(task.ticket.type, task.data)
        async with self.sessions() as session:
            await self.consumer.effect(session, event, *self.needs())
            await delivery.finish(session, task.ticket)
            await session.commit()

    async def _failed(self, ticket: Ticket, error: Exception) -> None:
        """Note it. Where Postgres is away, nobody can: the lease ends, and somebody takes the ticket again."""
        reason = "".join(traceback.format_exception(error))
        try:
            async with self.sessions.begin() as session:
                final = isinstance(error, Unmendable)
                state = await delivery.fail(session, ticket, reason, self.policy, final=final)
        except Exception as unnoted:  # noqa: BLE001 - the lease ends, and somebody takes the ticket again
            log.warning("delivery.not_noted", position=ticket.position, error=repr(error), because=one_line(unnoted))
            return
        self.wake.set()
        level = log.error if state is State.DEAD else log.warning
        level(
            f"delivery.{state}",
            consumer=self.consumer.name,
            position=ticket.position,
            event_id=str(ticket.event_id),
            attempt=ticket.attempt,
            error=f"{type(error).__name__}: {error}",
        )

    async def _hand_back(self, ticket: Ticket) -> None:
        self._held.pop(ticket.position, None)
        try:
            async with self.sessions.begin() as session:
                await delivery.hand_back(session, ticket)
        except Exception as error:  # noqa: BLE001 - the lease ends, and somebody takes the ticket again
            log.warning("delivery.not_handed_back", position=ticket.position, error=one_line(error))
        self.wake.set()

    def needs(self) -> list[Any]:
        return [self.resources[name] for name in self.consumer.needs]

    def _ended(self, chain: asyncio.Task[None]) -> None:
        self._chains.discard(chain)
        self._places.release()
        self.wake.set()


def _by_subject(tasks: Iterable[Task]) -> list[list[Task]]:
    chains: dict[UUID, list[Task]] = {}
    for task in tasks:
        chains.setdefault(task.ticket.subject, []).append(task)
    return list(chains.values())


def one_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
