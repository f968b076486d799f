"""The protocol keeps its promises in every state it can come into; done otherwise, it breaks one."""

from graphlib import TopologicalSorter
from typing import Any

import pytest

from tests.model import mutants
from tests.model.explore import explore
from tests.model.handling import Handling
from tests.model.publishing import Publishing


@pytest.mark.parametrize(("relays", "faults"), [(2, 2), (3, 2)])
def test_relays_make_the_stream_a_beginning_of_the_outbox_whatever_redis_forgets(relays: int, faults: int) -> None:
    outcome = explore(Publishing(relays, faults))

    assert outcome.promise is None, outcome
    assert outcome.at_rest > 1


@pytest.mark.parametrize(
    "model",
    [
        Handling(workers=1, faults=1, failures=1, trims=True),
        Handling(workers=1, faults=1, failures=1, batched=False),
        Handling(workers=1, faults=2),
        Handling(workers=2, failures=1),
        Handling(workers=2, failures=1, batched=False),
        Handling(workers=2, faults=1),
    ],
    ids=str,
)
def test_workers_handle_each_event_once_and_in_order_whatever_crashes(model: Handling) -> None:
    outcome = explore(model)

    assert outcome.promise is None, outcome
    assert outcome.at_rest > 1


@pytest.mark.parametrize("model", [Publishing(2, 1), Handling(1, 1, 1), Handling(2, 0, 1, batched=False)], ids=str)
def test_everything_comes_to_rest(model: Publishing | Handling) -> None:
    """What is sure to happen leads nowhere in a circle, so that what must hold at rest is not promised in vain."""
    sure: dict[object, list[object]] = {}
    ahead: list[Any] = [model.start]
    while ahead:
        if (state := ahead.pop()) not in sure:
            steps = list(model.steps(state))
            sure[state] = [step.then for step in steps if step.sure and step.then != state]
            ahead += (step.then for step in steps)

    TopologicalSorter(sure).prepare()  # or raises CycleError


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (mutants.LetsRedisNumber(), "no event is published twice"),
        (mutants.DoesNotCompare(), "the stream is a beginning of the outbox"),
        (mutants.TrustsItsMark(), "every committed event is published"),
        (mutants.MarksFirst(), "every committed event is published"),
        (mutants.DeletesWhatIsPublished(), "every committed event is published"),
        (mutants.SkipsGapsInIdentities(), "the stream is a beginning of the outbox"),
        (mutants.WaitsForEachIdentity(), "every committed event is published"),
        (mutants.NumbersOnAnOlderSnapshot(), "a position names one event"),
        (mutants.AcknowledgesFirst(), "every effect happens"),
        (mutants.HasNoInbox(), "an effect happens once"),
        (mutants.VouchesForItsBatch(faults=1), "effects happen in order"),
        (mutants.AcknowledgesWhatItListed(workers=2), "every effect happens"),
        (mutants.DoesNotRegroup(faults=1), "every effect happens"),
        (mutants.RegroupsAtTheEnd(faults=1), "every effect happens"),
        (mutants.TrimsByLength(), "every effect happens"),
    ],
    ids=lambda parameter: type(parameter).__name__ if not isinstance(parameter, str) else "",
)
def test_a_protocol_that_does_one_step_otherwise_breaks_a_promise(mutant: Publishing | Handling, promise: str) -> None:
    outcome = explore(mutant)

    assert outcome.promise == promise, outcome
