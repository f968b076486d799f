"""The relay's half of the protocol as a model: transactions, relays, and a Redis that may forget.

It shows that the stream is always a beginning of the outbox. `handling` takes that for granted and goes on from there:
the product of the two would be too large to look at, and workers neither read nor write what relays do.
Relays are interchangeable, so states that differ only in which of them is which count as one (they are kept sorted).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.model.explore import Step

OPEN: Final = -3
ABORTED: Final = -2
COMMITTED: Final = -1
"""Of a row in the outbox; every greater number is its position."""
UNKNOWN: Final = -1
"""Of a cursor: the relay has still to ask."""


class Relay(NamedTuple):
    cursor: int = UNKNOWN
    """The position at which it believes that the stream ends."""
    held: tuple[int, ...] = ()
    """Events that it has read from the outbox and not appended yet."""

    def __str__(self) -> str:
        return f"a relay at {self.cursor if self.cursor != UNKNOWN else '?'} that holds {self.held or 'nothing'}"


class State(NamedTuple):
    rows: tuple[int, ...]
    """An event is its index here, the identity value that its transaction took before it committed."""
    relays: tuple[Relay, ...]
    faults: int
    """How many may still come."""
    stream: tuple[int, ...] = ()
    """Events. The id of an entry is the event's position, and the stream's last id that of the last entry."""
    marked: tuple[int, ...] = ()
    """Events noted as published. Our relay notes nothing, only mutants do."""

    @property
    def numbered(self) -> list[int]:
        """The events that have a position, in that order."""
        return sorted((event for event, row in enumerate(self.rows) if row >= 0), key=self.rows.__getitem__)

    @property
    def last_id(self) -> int:
        return self.rows[self.stream[-1]] if self.stream else 0

    def row(self, event: int, row: int) -> "State":
        return self._replace(rows=(*self.rows[:event], row, *self.rows[event + 1 :]))

    def relay(self, old: Relay, new: Relay) -> "State":
        rest = list(self.relays)
        rest.remove(old)
        return self._replace(relays=tuple(sorted([*rest, new])))


@dataclass(frozen=True)
class Publishing:
    relays: int = 2
    faults: int = 1
    events: int = 3

    @property
    def start(self) -> State:
        return State((OPEN,) * self.events, (Relay(),) * self.relays, self.faults)

    def steps(self, state: State) -> Iterator[Step]:
        for event, row in enumerate(state.rows):
            if row == OPEN:
                yield Step(("event", event, "commits"), self.commit(state, event), sure=False)
                yield Step(("event", event, "is rolled back"), state.row(event, ABORTED), sure=False)
        yield Step(("a relay numbers what was committed",), self.sequence(state), sure=True)
        for relay in set(state.relays):
            yield from self.steps_of(relay, state)
        if state.faults:
            for kept in range(len(state.stream)):
                fallen = state._replace(stream=state.stream[:kept], faults=state.faults - 1)
                yield Step(("redis falls back to", kept, "entries"), fallen, sure=False)

    def steps_of(self, relay: Relay, state: State) -> Iterator[Step]:
        yield Step((relay, "crashes, another starts"), state.relay(relay, Relay()), sure=False)
        if relay.held:
            yield Step((relay, "appends"), self.append(relay, state), sure=True)
            return
        yield Step((relay, "asks where the stream ends"), state.relay(relay, Relay(state.last_id)), sure=True)
        if relay.cursor != UNKNOWN:
            yield Step((relay, "reads the outbox"), self.read(relay, state), sure=True)

    def commit(self, state: State, event: int) -> State:
        return state.row(event, COMMITTED)

    def sequence(self, state: State) -> State:
        """In one statement under a lock: committed rows get the next positions, in the order of their identities."""
        for event, row in enumerate(state.rows):
            if row == COMMITTED:
                state = state.row(event, len(state.numbered) + 1)
        return state

    def read(self, relay: Relay, state: State) -> State:
        later = (event for event in state.numbered if state.rows[event] > relay.cursor)
        return state.relay(relay, Relay(relay.cursor, tuple(later)))

    def append(self, relay: Relay, state: State) -> State:
        """Compare and append: one script, so nothing comes between the two."""
        if state.last_id != relay.cursor:
            return state.relay(relay, Relay())
        appended = state._replace(stream=state.stream + relay.held)
        return appended.relay(relay, Relay(appended.last_id))

    def broken(self, state: State) -> str | None:
        positions = [row for row in state.rows if row >= 0]
        promises = {
            "a position names one event": len(positions) == len(set(positions)),
            "only what was committed is published": set(state.stream) <= set(state.numbered),
            "no event is published twice": len(state.stream) == len(set(state.stream)),
            "the stream is a beginning of the outbox": list(state.stream) == state.numbered[: len(state.stream)],
        }
        return next((promise for promise, holds in promises.items() if not holds), None)

    def unkept(self, state: State) -> str | None:
        """Also while a transaction stays open for ever: it stalls nobody."""
        committed = {event for event, row in enumerate(state.rows) if row >= COMMITTED}
        return None if committed == set(state.stream) else "every committed event is published"
