"""The consumer's half of the protocol as a model: a group, its workers, their claims, and a Redis that may forget.

What `publishing` has shown is taken for granted: the stream is a beginning of the outbox, whose events are numbered
1, 2, 3. Workers are interchangeable, and may crash or be slow as often as they like.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.explore import Step
from tests.model.group import DONE, DUE, EVENTS, NEW, RUNNING, Events, Redis, State, Worker, union, without


@dataclass(frozen=True)
class Handling:
    workers: int = 1
    faults: int = 0
    failures: int = 0
    trims: bool = False
    batched: bool = True
    """All effects of a batch in the transaction that claims them; or each in its own, once it is claimed."""

    @property
    def start(self) -> State:
        return State((Worker(),) * self.workers, self.faults, self.failures)

    def steps(self, state: State) -> Iterator[Step]:
        yield from self.steps_of_redis(state)
        for worker in set(state.workers):
            yield Step((worker, "crashes, another starts"), state.put(worker, Worker()), sure=False)
            yield from self.activity(worker, state)
            yield from self.take_due(worker, state)
            yield from self.attempts(worker, state)

    def steps_of_redis(self, state: State) -> Iterator[Step]:
        redis = state.redis
        if redis.last < len(EVENTS):
            yield Step((redis.last + 1, "is appended"), state._replace(redis=self.appended(redis)), sure=True)
        if redis.delivered is None:
            yield Step(("the group is created",), state._replace(redis=self.grouped(redis)), sure=True)
        if self.trims:
            yield Step(("the stream is trimmed",), state._replace(redis=self.trimmed(state)), sure=False)
        if state.faults:
            for older in set(redis.older_states()):
                fallen = state._replace(redis=older, faults=state.faults - 1)
                yield Step(("redis falls back to", older), fallen, sure=False)

    def appended(self, redis: Redis) -> Redis:
        return redis._replace(last=redis.last + 1)

    def grouped(self, redis: Redis) -> Redis:
        """From the stream's start, whatever the group had handed out before it vanished."""
        return redis._replace(delivered=0)

    def trimmed(self, state: State) -> Redis:
        """Old entries go, up to the first that the consumer has not ended with."""
        unended = (event for event in EVENTS if state.delivery(event) != DONE)
        ended = next(unended, len(EVENTS) + 1) - 1
        return state.redis._replace(trimmed=min(state.redis.last, ended))

    def activity(self, worker: Worker, state: State) -> Iterator[Step]:
        match worker.doing:
            case "waits":
                yield Step((worker, "reads"), self.read(worker, state), sure=True)
                yield from self.take_over(worker, state)
            case "has read":
                yield Step((worker, "claims"), self.claim(worker, state), sure=True)
                if self.batched and state.failures:
                    apart = self.claim_as(RUNNING, worker, state._replace(failures=state.failures - 1))
                    yield Step((worker, "fails with the batch, and claims it apart"), apart, sure=False)
            case "has taken over":
                yield Step((worker, "makes it due"), self.claim_as(DUE, worker, state), sure=True)
            case "has handled":
                yield Step((worker, "acknowledges"), self.acknowledge(worker, state), sure=True)

    def read(self, worker: Worker, state: State) -> State:
        """XREADGROUP: what has not been handed out yet."""
        entries, redis = state.redis.not_handed_out, state.redis
        if not entries:
            return state
        handed_out = redis._replace(delivered=entries[-1], pending=union(redis.pending, entries))
        return state._replace(redis=handed_out).put(worker, worker._replace(doing="has read", entries=entries))

    def claim(self, worker: Worker, state: State) -> State:
        return self.claim_as(DONE if self.batched else RUNNING, worker, state)

    def claim_as(self, became: str, worker: Worker, state: State) -> State:
        """In one transaction, effects and all: take what nobody has taken. What must wait for its turn is due."""
        claimed: Events = ()
        for event in worker.entries:
            if self.is_new(event, state):
                free = not state.waits(event, unless_behind=self.vouched_for(worker, claimed))
                state = state.note(event, became if free else DUE)
                claimed += (event,) if free else ()
        running = union(worker.running, claimed) if became == RUNNING else worker.running
        return state.put(worker, worker._replace(doing="has handled", running=running))

    def is_new(self, event: int, state: State) -> bool:
        return state.delivery(event) == NEW

    def vouched_for(self, worker: Worker, claimed: Events) -> Events:
        """Not ended yet, but nothing of this batch need wait for them: they are ours, and their turn comes first."""
        return claimed

    def acknowledge(self, worker: Worker, state: State) -> State:
        """XACK: pending no longer, whoever was given it by now."""
        redis = state.redis._replace(pending=without(state.redis.pending, worker.entries))
        return state._replace(redis=redis).put(worker, worker._replace(doing="waits", entries=()))

    def take_over(self, worker: Worker, state: State) -> Iterator[Step]:
        """XPENDING and XCLAIM: what idles long, whose worker has crashed; or is slow, nobody can tell.

        What another sweeper took over just now does not idle, and XCLAIM does not give it.
        """
        entries = without(state.redis.pending, state.held(doing="has taken over"))
        if entries:
            taking = state.put(worker, worker._replace(doing="has taken over", entries=entries))
            yield Step((worker, "takes over", entries), taking, sure=bool(without(entries, state.held())))

    def take_due(self, worker: Worker, state: State) -> Iterator[Step]:
        """A retry, what waited for its turn, or what another left running, who crashed or has been slow for long."""
        for event in EVENTS:
            if state.delivery(event) in (DUE, RUNNING) and event not in worker.running and not state.waits(event):
                sure = not any(event in other.running for other in state.workers)
                yield Step((worker, "takes", event), state.take(event, worker), sure=sure)

    def attempts(self, worker: Worker, state: State) -> Iterator[Step]:
        """One after the other; behind one that fails, the rest is handed back."""
        for event in worker.running[:1]:
            done = state.put(worker, worker._replace(running=worker.running[1:])).note(event, DONE)
            yield Step((worker, "has done", event), done, sure=True)
            if state.failures:
                failed = state._replace(failures=state.failures - 1).release(event, worker)
                yield Step((worker, "fails with", event), failed, sure=False)

    def broken(self, state: State) -> str | None:
        if len(state.effects) > len(set(state.effects)):
            return "an effect happens once"
        if state.effects != EVENTS[: len(state.effects)]:
            return "effects happen in order"
        return None

    def unkept(self, state: State) -> str | None:
        if len(state.effects) < len(EVENTS):
            return "every effect happens"
        if state.redis.pending or set(state.deliveries) != {DONE}:
            return "nothing is stranded"
        return None
