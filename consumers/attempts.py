"""A ticket is tried in a transaction of its own, its lease renewed meanwhile, its end noted with the effect."""

import asyncio
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.ends import Ends
from consumers.places import Places
from consumers.solitude import Solitude
from consumers.subscription import Consumer, Unmendable
from consumers.telling import known, tell, tell_together
from domain.cause import caused_by
from infra.database import is_away
from infra.driver import Driver
from infra.failpoints import failpoint
from infra.telemetry import one_line, saying
from infra.tracing import work
from outbox import tickets
from outbox.delivery import LeaseLost, Policy, Ticket
from outbox.session import Sessions

log = structlog.get_logger(__name__)


class Task(msgspec.Struct, frozen=True):
    """A ticket and the data of its event; None where the outbox has it no longer."""

    ticket: Ticket
    data: bytes | str | None
    traceparent: str | None = None
    alone: bool = False
    """Nothing else is at work in this process meanwhile."""


@dataclass
class Attempts:
    """The attempts of one consumer in this worker: at most `concurrency` at once, those of one subject in order."""

    consumer: Consumer
    sessions: Sessions
    policy: Policy
    resources: Mapping[str, Any]
    solitude: Solitude = field(default_factory=Solitude)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something became due here, so that nobody waits for the next look."""
    has_due: bool = False
    """Something was due when last looked: perhaps behind what is at work here, so each end here is a reason to look."""
    _chains: set[asyncio.Task[None]] = field(default_factory=set)
    _held: dict[int, Ticket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = Places(self.consumer.concurrency)
        self._ends = Ends(Driver.of(self.sessions))

    @property
    def free(self) -> int:
        """How many more could be tried right now."""
        return self._places.free

    async def submit(self, tasks: Iterable[Task]) -> list[asyncio.Task[None]]:
        """Begin these as places become free; returns when the last of them has begun, or was handed back at a stop."""
        chains = _by_subject(tasks)
        self._held |= {task.ticket.position: task.ticket for chain in chains for task in chain}
        begun = []
        for index, chain in enumerate(chains):
            if not await self._places.take():
                await self._hand_back([task.ticket for rest in chains[index:] for task in rest])
                break
            begun.append(asyncio.create_task(self._run(chain), name=f"{self.consumer.name}:{chain[0].ticket.position}"))
            self._chains.add(begun[-1])
            begun[-1].add_done_callback(self._ended)
        return begun

    async def together(self, tasks: Sequence[Task]) -> None:
        """Try these in one transaction; if one fails, none has happened, and each is tried alone."""
        self._held |= {task.ticket.position: task.ticket for task in tasks}
        began = time.perf_counter()
        try:
            async with self.solitude.among_others(), self.sessions.begin() as session:
                for task in tasks:
                    await self.effect(session, task)
                await tickets.finish(session, [task.ticket for task in tasks])
                failpoint("attempt.before_commit")
        except (Exception, asyncio.CancelledError) as error:
            if is_being_cancelled():
                raise
            log.warning("consumer.batch_failed", consumer=self.consumer.name, size=len(tasks), error=one_line(error))
            await self.submit(tasks)
            return
        failpoint("attempt.after_commit")
        for task in tasks:
            self._let_go(task.ticket)
        self.done(tasks, began)

    async def alone(self, task: Task) -> None:
        """Try it, for whoever has the process for itself, for a lease at most.

        It takes no place: those may all be held by others that wait until it has ended.
        """
        self._held[task.ticket.position] = task.ticket
        trying = asyncio.create_task(self._run([msgspec.structs.replace(task, alone=True)]))
        self._chains.add(trying)
        trying.add_done_callback(self._chains.discard)
        await asyncio.wait([trying], timeout=self.policy.lease.total_seconds())

    async def renew(self) -> None:
        """Say of everything we hold that we are still at it."""
        if self._held:
            async with self.sessions.begin() as session:
                await tickets.renew(session, list(self._held.values()), self.policy)

    def notice_due(self) -> None:
        """Something is due by now: look at once, and again whenever something has ended here."""
        self.has_due = True
        self.wake.set()

    def stop_starting(self) -> None:
        """From now on nothing new is tried; what comes is handed back."""
        self._places.close()
        self.wake.set()

    async def drain(self, grace: float) -> None:
        """Finish what has begun within `grace` seconds, and hand back the rest at once."""
        self.stop_starting()
        if self._chains:
            await asyncio.wait(self._chains, timeout=grace)
        for chain in list(self._chains):
            chain.cancel()
        await asyncio.gather(*self._chains, return_exceptions=True)
        await self._ends.stop()
        await self._hand_back(list(self._held.values()))

    async def _run(self, chain: Sequence[Task]) -> None:
        """One after the other; behind one that failed, or when we are to stop, the rest is for somebody else."""
        rest = list(chain)
        while rest and not self._places.is_closed:
            if not await self._try(rest.pop(0)):
                break
        await self._hand_back([task.ticket for task in rest])

    async def _try(self, task: Task) -> bool:
        """Whether the effect happened. Whatever happens instead is written down, and raises nothing."""
        began = time.perf_counter()
        try:
            async with nullcontext() if task.alone else self.solitude.among_others():
                await self._attempt(task)
        except LeaseLost:
            tell(task.ticket, task.traceparent, "lost", time.perf_counter() - began)
        except (Exception, asyncio.CancelledError) as error:
            if is_being_cancelled():
                raise  # by the drain, which hands it back; any other cancellation is the handler's own failure
            await self._failed(task, error, began)
        else:
            self._let_go(task.ticket)
            self.done([task], began)
            return True
        self._let_go(task.ticket)
        return False

    async def _attempt(self, task: Task) -> None:
        async with aclosing(self.sessions()) as session:
            await self.effect(session, task)
            if session.in_transaction():
                await tickets.finish(session, [task.ticket])
                failpoint("attempt.before_commit")
                await session.commit()
            else:  # nothing of it is in Postgres
                failpoint("attempt.before_commit")
                await self._ends.note(task.ticket)
        failpoint("attempt.after_commit")

    async def effect(self, session: AsyncSession, task: Task) -> None:
        """Only this; whoever asks for it notes its end."""
        if task.data is None:
            raise Unmendable("its event is no longer in the outbox")
        ticket, about = task.ticket, known(task.ticket)
        with (
            work(f"{ticket.consumer} {ticket.type}", "CONSUMER", task.traceparent, about) as it,
            caused_by(it.traceparent),
            saying({**about, "trace_id": it.trace_id}),
        ):
            event = self.consumer.decode(ticket.type, task.data)
            await self.consumer.effect(session, event, *self.needs(ticket.event_id))

    def done(self, tasks: Sequence[Task], began: float) -> None:
        """Tell of what is committed; `began` by `perf_counter`."""
        seconds = time.perf_counter() - began
        if len(tasks) == 1:
            tell(tasks[0].ticket, tasks[0].traceparent, "done", seconds)
        elif tasks:
            tell_together(self.consumer.name, [(task.ticket, task.traceparent) for task in tasks], seconds)

    async def _failed(self, task: Task, error: BaseException, began: float) -> None:
        """Note it. Where Postgres is away, nobody can: the lease ends, and somebody takes the ticket again."""
        ticket, seconds = task.ticket, time.perf_counter() - began
        reason = "".join(traceback.format_exception(error))
        final = True if isinstance(error, Unmendable) else False if is_away(error) else None
        failpoint("attempt.before_fail")
        try:
            async with self.sessions.begin() as session:
                state = await tickets.fail(session, ticket, reason, self.policy, final=final)
        except Exception as unnoted:  # noqa: BLE001 - the lease ends, and somebody takes the ticket again
            log.warning("delivery.not_noted", position=ticket.position, error=repr(error), because=one_line(unnoted))
            return
        self.wake.set()
        tell(ticket, task.traceparent, state, seconds, f"{type(error).__name__}: {error}")

    async def _hand_back(self, given: Sequence[Ticket]) -> None:
        """Whoever is cancelled meanwhile holds them still."""
        if not given:
            return
        try:
            async with self.sessions.begin() as session:
                await tickets.hand_back(session, given)
        except Exception as error:  # noqa: BLE001 - the lease ends, and somebody takes them again
            log.warning("delivery.not_handed_back", deliveries=len(given), error=one_line(error))
        for ticket in given:
            self._let_go(ticket)
        self.notice_due()

    def _let_go(self, ticket: Ticket) -> None:
        """Unless we hold a later one of the same delivery by now."""
        if self._held.get(ticket.position) == ticket:
            del self._held[ticket.position]

    def needs(self, event_id: UUID) -> list[Any]:
        """What the effect asks for by name: resources of the worker, and its event's id."""
        return [event_id if name == "event_id" else self.resources[name] for name in self.consumer.needs]

    def _ended(self, chain: asyncio.Task[None]) -> None:
        self._chains.discard(chain)
        self._places.give_back()
        if self.has_due:
            self.wake.set()


def _by_subject(tasks: Iterable[Task]) -> list[list[Task]]:
    chains: dict[UUID, list[Task]] = {}
    for task in tasks:
        chains.setdefault(task.ticket.subject, []).append(task)
    return list(chains.values())


def is_being_cancelled() -> bool:
    """Whether somebody wants this task to end; any other CancelledError is a handler's own failure."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
