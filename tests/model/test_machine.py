"""Whatever is done, and whatever befalls Redis, relays and workers in between: at rest, every promise is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from tests.consumers.conftest import a_consumer
from tests.consumers.steps import EFFECTS
from tests.database import Database
from tests.model import rest
from tests.model.effect import KINDS, an_effect
from tests.model.world import ARCHIVE, World

BOUNDED = settings(
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # to shrink what is found takes minutes: add Phase.shrink when there is something
    suppress_health_check=list(HealthCheck),
)
EITHER = some.integers(0, 1)
KINDS_OF_EVENTS = some.lists(some.sampled_from(KINDS), min_size=1, max_size=3)
Work = Callable[[World, int], Coroutine[Any, Any, None]]
Befalls = Callable[[World], Coroutine[Any, Any, None]]
WORK = some.sampled_from(
    [World.handle, World.handle_without_acknowledging, World.read_and_forget, World.sweep, World.take_due]
)
MISFORTUNE = some.sampled_from([World.save, World.fall_back, World.lose_everything, World.lose_tail_and_group])


class Machine(RuleBasedStateMachine):
    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.world = world
        self.loop = loop
        self.do(world.begin())

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(step)

    @initialize(kinds=KINDS_OF_EVENTS)
    def there_are_events(self, kinds: list[str]) -> None:
        self.events_are_recorded(0, kinds, published=True)

    @rule(subject=EITHER, kinds=KINDS_OF_EVENTS, published=some.booleans())
    def events_are_recorded(self, subject: int, kinds: list[str], published: bool) -> None:
        self.do(self.world.record(subject, kinds))
        if published:
            self.a_relay_steps(0)

    @rule(subject=EITHER, kind=some.sampled_from(KINDS))
    def a_transaction_stays_open(self, subject: int, kind: str) -> None:
        self.do(self.world.open_transaction(subject, kind))

    @precondition(lambda self: self.world.transactions)
    @rule(commit=some.booleans())
    def an_open_transaction_ends(self, commit: bool) -> None:
        self.do(self.world.end_transaction(commit=commit))

    @rule(which=EITHER, restarted=some.booleans())
    def a_relay_steps(self, which: int, restarted: bool = False) -> None:
        self.do(self.world.relay(which, restarted=restarted))

    @rule(which=EITHER, work=WORK)
    def a_worker_works(self, which: int, work: Work) -> None:
        self.do(work(self.world, which))

    @rule()
    def leases_lapse(self) -> None:
        self.do(self.world.lapse())

    @rule(whole=some.booleans())
    def retention_runs(self, whole: bool) -> None:
        self.do(self.world.prune())
        if whole:
            self.do(self.world.trim())

    @rule(befalls=MISFORTUNE)
    def redis_forgets(self, befalls: Befalls) -> None:
        self.do(befalls(self.world))

    @invariant()
    def the_stream_is_a_beginning_of_the_outbox(self) -> None:
        """But for what the outbox has forgotten, which nobody handles any more."""
        outbox = self.do(rest.outbox(self.world))
        stream = [entry for entry in self.do(rest.stream(self.world)) if entry in outbox]
        assert stream == outbox[: len(stream)]

    def teardown(self) -> None:
        while self.world.transactions:
            self.an_open_transaction_ends(commit=False)
        try:
            self.do(rest.settle(self.world))
            self.do(self.every_promise_is_kept())
        finally:
            self.do(self.world.stop())

    async def every_promise_is_kept(self) -> None:
        assert await rest.stream(self.world) == await rest.outbox(self.world)
        recorded = [await rest.names(self.world, subject) for subject in (0, 1)]
        for subject, names in enumerate(recorded):
            digestible = [name for name in names if not name.startswith("poison")]
            assert await rest.effects(self.world, subject) == digestible
        poison = sum(name.startswith("poison") for names in recorded for name in names)
        assert await rest.dead(self.world) == poison


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The one that the other fixtures live in; a machine has to be driven by hand, step by step."""
    return asyncio.get_running_loop()


@pytest.fixture(params=[True, False], ids=["batched", "apart"])
async def world(request: pytest.FixtureRequest, database: Database, redis: Redis) -> AsyncIterator[World]:
    await database.execute(EFFECTS)
    await database.execute(ARCHIVE)
    connections = [await database.connect() for _ in range(2)]
    yield World(database, redis, connections, a_consumer(an_effect(), batched=request.param))
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("examples", [8, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_at_rest_every_promise_is_kept(world: World, loop: asyncio.AbstractEventLoop, examples: int) -> None:
    machine: Any = partial(Machine, world, loop)
    run_state_machine_as_test(machine, settings=settings(BOUNDED, max_examples=examples))
