"""The protocol with one step done otherwise, as others do it or as we might: each breaks a promise."""

from collections.abc import Iterator

from tests.model.explore import Step
from tests.model.group import Events, Redis, State, Worker, without
from tests.model.handling import Handling
from tests.model.publishing import ABORTED, COMMITTED, OPEN, Publishing, Relay
from tests.model.publishing import State as Log


class LetsRedisNumber(Publishing):
    """`XADD *`: a relay that was slow appends what another has appended."""

    def append(self, relay: Relay, state: Log) -> Log:
        appended = state._replace(stream=state.stream + relay.held)
        return appended.relay(relay, Relay(appended.last_id))


class DoesNotCompare(Publishing):
    """Redis refuses ids that are not greater than its last one; beyond a gap, it takes them."""

    def append(self, relay: Relay, state: Log) -> Log:
        accepted = tuple(event for event in relay.held if state.rows[event] > state.last_id)
        appended = state._replace(stream=state.stream + accepted)
        return appended.relay(relay, Relay(appended.last_id))


class TrustsItsMark(Publishing):
    """Reads what is not marked as published; marks, even in the same instant, what it appends."""

    def read(self, relay: Relay, state: Log) -> Log:
        unmarked = tuple(event for event in state.numbered if event not in state.marked)
        return state.relay(relay, Relay(relay.cursor, unmarked))

    def append(self, relay: Relay, state: Log) -> Log:
        appended = super().append(relay, state)
        published = relay.held if appended.stream != state.stream else ()
        return appended._replace(marked=tuple(sorted({*state.marked, *published})))


class MarksFirst(TrustsItsMark):
    """Marks what it reads, and then appends it."""

    def read(self, relay: Relay, state: Log) -> Log:
        read = super().read(relay, state)
        return read._replace(marked=tuple(state.numbered))

    def append(self, relay: Relay, state: Log) -> Log:
        return Publishing.append(self, relay, state)


class DeletesWhatIsPublished(TrustsItsMark):
    """Reads after its cursor, as ours does, but what was published is no row any more."""

    def read(self, relay: Relay, state: Log) -> Log:
        later = (event for event in state.numbered if state.rows[event] > relay.cursor)
        return state.relay(relay, Relay(relay.cursor, tuple(event for event in later if event not in state.marked)))


class SkipsGapsInIdentities(Publishing):
    """The identity value is the position. What commits late is below the cursor."""

    def commit(self, state: Log, event: int) -> Log:
        return state.row(event, event + 1)


class WaitsForEachIdentity(SkipsGapsInIdentities):
    """The identity value is the position, and no number is left out. What is rolled back, or never ends, is a gap."""

    def read(self, relay: Relay, state: Log) -> Log:
        upto = next((event for event, row in enumerate(state.rows) if row in (OPEN, ABORTED)), len(state.rows))
        return state.relay(relay, Relay(relay.cursor, tuple(range(relay.cursor, upto))))


class NumbersOnAnOlderSnapshot(Publishing):
    """Waits for the lock inside the statement that numbers: what it goes by is older than what the lock guards."""

    def steps_of(self, relay: Relay, state: Log) -> Iterator[Step]:
        if relay.cursor != WAITING_FOR_THE_LOCK:
            yield from super().steps_of(relay, state)
            unnumbered = tuple(event for event, row in enumerate(state.rows) if row == COMMITTED)
            waiting = state.relay(relay, Relay(WAITING_FOR_THE_LOCK, (len(state.numbered), *unnumbered)))
            if unnumbered and not relay.held:
                yield Step((relay, "takes a snapshot, and waits for the lock"), waiting, sure=True)
            return
        highest, *unnumbered_then = relay.held
        numbered = state.relay(relay, Relay())
        for position, event in enumerate(unnumbered_then, highest + 1):
            numbered = numbered.row(event, position)
        yield Step((relay, "numbers"), numbered, sure=True)


WAITING_FOR_THE_LOCK = -2


class AcknowledgesFirst(Handling):
    """Acknowledges what it reads, even in the same instant, before its claim commits."""

    def read(self, worker: Worker, state: State) -> State:
        read = super().read(worker, state)
        redis = read.redis._replace(pending=without(read.redis.pending, state.redis.not_handed_out))
        return read._replace(redis=redis)


class HasNoInbox(Handling):
    """Takes whatever it is given for new."""

    def is_new(self, event: int, state: State) -> bool:
        return True


class VouchesForItsBatch(Handling):
    """Nothing waits behind an event of its own batch, though that one may not have been ours to claim."""

    def vouched_for(self, worker: Worker, claimed: Events) -> Events:
        return worker.entries


class AcknowledgesWhatItListed(Handling):
    """Sweeps: also what XPENDING listed and XCLAIM did not give, because another had been quicker."""

    def take_over(self, worker: Worker, state: State) -> Iterator[Step]:
        yield from super().take_over(worker, state)
        listed = tuple(event for event in state.redis.pending if event in state.held(doing="has taken over"))
        late = state.put(worker, worker._replace(doing="has handled", entries=listed))
        if listed:
            yield Step((worker, "listed, but was not given", listed), late, sure=False)


class DoesNotRegroup(Handling):
    """Creates its group when it is installed, and never again."""

    @property
    def start(self) -> State:
        return super().start._replace(redis=Redis(delivered=0))

    def grouped(self, redis: Redis) -> Redis:
        return redis


class RegroupsAtTheEnd(DoesNotRegroup):
    """Creates it again at `$`, as clients do by default."""

    def grouped(self, redis: Redis) -> Redis:
        return redis._replace(delivered=redis.last)


class TrimsByLength(Handling):
    """`MAXLEN 1`, whoever has not read yet."""

    def appended(self, redis: Redis) -> Redis:
        return redis._replace(trimmed=redis.last, last=redis.last + 1)
