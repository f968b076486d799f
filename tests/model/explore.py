"""Look at every state that a model can come into, nearest first, so that what breaks it is told in the fewest steps."""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

State = TypeVar("State", bound=Hashable)


class Step(NamedTuple):
    """What can happen next. What is `sure` happens sooner or later; what is not (a crash, a fault) may never."""

    what: tuple[object, ...]
    then: Hashable
    sure: bool


class Model(Protocol[State]):
    @property
    def start(self) -> State: ...

    def steps(self, state: State) -> Iterable[Step]: ...

    def broken(self, state: State) -> str | None:
        """Which promise does not hold, in whatever state."""

    def unkept(self, state: State) -> str | None:
        """Which promise does not hold once everything that is sure has happened."""


@dataclass(frozen=True)
class Outcome:
    states: int
    at_rest: int
    promise: str | None = None
    """The one that is broken, if any is."""
    trace: tuple[str, ...] = ()
    """The shortest way there."""

    def __str__(self) -> str:
        story = "".join(f"\n  {number}. {what}" for number, what in enumerate(self.trace, 1))
        return f"{self.states} states, {self.at_rest} at rest; broken: {self.promise}{story}"


def explore(model: Model[Any]) -> Outcome:
    """Breadth first. A state where nothing sure changes anything is at rest: there, all must have been done."""
    reached: dict[Hashable, tuple[Hashable, tuple[object, ...]] | None] = {model.start: None}
    queue: deque[Hashable] = deque([model.start])
    at_rest = 0
    while queue:
        state = queue.popleft()
        steps = [step for step in model.steps(state) if step.then != state]
        promise = model.broken(state)
        if not any(step.sure for step in steps):
            at_rest += 1
            promise = promise or model.unkept(state)
        if promise:
            return Outcome(len(reached), at_rest, promise, _trace(reached, state))
        for step in steps:
            if step.then not in reached:
                reached[step.then] = (state, step.what)
                queue.append(step.then)
    return Outcome(len(reached), at_rest)


def _trace(reached: dict[Hashable, tuple[Hashable, tuple[object, ...]] | None], state: Hashable) -> tuple[str, ...]:
    trace: list[str] = []
    while (came := reached[state]) is not None:
        state, what = came
        trace.append(" ".join(map(str, what)))
    return tuple(reversed(trace))
