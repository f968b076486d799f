"""What the group, its workers and the deliveries can be, and how one becomes the other."""

from collections.abc import Iterator
from typing import Final, NamedTuple

EVENTS: Final = (1, 2, 3)
"""By their positions. All have one subject: those of different subjects share no row, and wait for nothing."""
NEW: Final = "new"
DUE: Final = "due"
RUNNING: Final = "running"
DONE: Final = "done"
"""What a delivery may be; new while it has no row."""

Events = tuple[int, ...]


class Redis(NamedTuple):
    trimmed: int = 0
    last: int = 0
    """The stream has the entries after `trimmed` up to `last`."""
    delivered: int | None = None
    """Up to there the group has handed out entries; None while there is no group."""
    pending: Events = ()
    """What it has handed out and nobody has acknowledged."""

    def __str__(self) -> str:
        group = "no group" if self.delivered is None else f"a group at {self.delivered} with {self.pending} pending"
        return f"a stream that ends at {self.last}, {group}"

    def older_states(self) -> Iterator["Redis"]:
        """What it may fall back to. Whatever it had handed out is pending again: to acknowledge it again is a step."""
        for last in range(self.last + 1):
            yield Redis(last=last)
            for delivered in range(min(last, self.delivered or 0) + 1):
                yield Redis(0, last, delivered, pending=tuple(range(1, delivered + 1)))

    @property
    def not_handed_out(self) -> Events:
        return () if self.delivered is None else tuple(range(max(self.delivered, self.trimmed) + 1, self.last + 1))


class Worker(NamedTuple):
    doing: str = "waits"
    entries: Events = ()
    """What it is doing that to."""
    running: Events = ()
    """Deliveries whose lease it holds."""

    def __str__(self) -> str:
        running = f" and runs {self.running}" if self.running else ""
        return f"a worker that {self.doing} {self.entries or ''}{running}".rstrip()


class State(NamedTuple):
    workers: tuple[Worker, ...]
    """Sorted, so that states which differ only in who is who are one."""
    faults: int
    """How often Redis may still lose something."""
    failures: int
    """How often a handler may still fail."""
    deliveries: tuple[str, ...] = (NEW,) * len(EVENTS)
    effects: Events = ()
    """In the order in which they were committed."""
    redis: Redis = Redis()

    def delivery(self, event: int) -> str:
        return self.deliveries[event - 1]

    def waits(self, event: int, *, unless_behind: Events = ()) -> bool:
        """An earlier event has not ended."""
        earlier = without(EVENTS[: event - 1], unless_behind)
        return any(self.delivery(each) != DONE for each in earlier)

    def held(self, doing: str = "") -> Events:
        """Entries that some worker is doing that to."""
        return tuple(event for each in self.workers if each.doing.startswith(doing) for event in each.entries)

    def note(self, event: int, became: str) -> "State":
        """The delivery's row and the effect, if it is done, commit together."""
        deliveries = (*self.deliveries[: event - 1], became, *self.deliveries[event:])
        effects = (*self.effects, event) if became == DONE else self.effects
        return self._replace(deliveries=deliveries, effects=effects)

    def put(self, old: Worker, new: Worker) -> "State":
        workers = list(self.workers)
        workers.remove(old)
        return self._replace(workers=tuple(sorted([*workers, new])))

    def take(self, event: int, worker: Worker) -> "State":
        """Whoever had it before finds that its lease is lost, and hands back what it has behind it."""
        state = self
        for other in self.workers:
            if event in other.running:
                state = state.release(event, other)
        return state.put(worker, worker._replace(running=union(worker.running, (event,)))).note(event, RUNNING)

    def release(self, event: int, worker: Worker) -> "State":
        """It and what this worker has behind it become due."""
        released = tuple(each for each in worker.running if each >= event)
        state = self.put(worker, worker._replace(running=without(worker.running, released)))
        for each in released:
            state = state.note(each, DUE)
        return state


def union(some: Events, more: Events) -> Events:
    return tuple(sorted({*some, *more}))


def without(some: Events, others: Events) -> Events:
    return tuple(event for event in some if event not in others)
