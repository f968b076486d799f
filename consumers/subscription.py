"""`@consumes` says of a plain function which events it handles and how; its name is its group's and its consumer's."""

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.event import Event

Effect = Callable[..., Awaitable[None]]


class Unmendable(Exception):
    """Trying again cannot help: the delivery is dead at once, with this as its reason."""


@dataclass(frozen=True)
class Consumer:
    """An effect and the events it is for."""

    name: str
    effect: Effect
    event_types: Mapping[str, type[Event]]
    batched: bool
    concurrency: int
    needs: tuple[str, ...]
    """The names of its parameters beyond session and event: `event_id`, or resources of the worker, as `storage`."""

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(sorted({event_type.stream for event_type in self.event_types.values()}))

    def decode(self, type_: str, data: bytes | str) -> Event:
        """Raises Unmendable where the data is not an event of that type."""
        try:
            return self.event_types[type_].from_json(data)
        except msgspec.MsgspecError as error:
            raise Unmendable(f"not a {type_}: {error}") from error


CONSUMERS: dict[str, Consumer] = {}


def consumes(*event_types: type[Event], batched: bool = False, concurrency: int = 16) -> Callable[[Effect], Effect]:
    """Make a function the effect of these events. It stays a plain function.

    Args:
        event_types: what it handles; the stream of each is the event's own.
        batched: many effects share one transaction: for effects in Postgres alone. Otherwise each has its own, and
            up to `concurrency` of them wait for S3 or SMTP at the same time.
        concurrency: how many at once in one worker.

    """

    def register(effect: Effect) -> Effect:
        name = effect.__name__
        if name in CONSUMERS:
            raise TypeError(f"two consumers are called {name}")
        types = {event_type.type: event_type for event_type in event_types}
        needs = tuple(inspect.signature(effect).parameters)[2:]
        CONSUMERS[name] = Consumer(name, effect, types, batched, concurrency, needs)
        return effect

    return register


def discover() -> Mapping[str, Consumer]:
    """Every consumer there is: each file of `handlers/` is one, under its own name."""
    handlers: Any = importlib.import_module("consumers.handlers")
    for module in pkgutil.iter_modules(handlers.__path__):
        importlib.import_module(f"consumers.handlers.{module.name}")
        if module.name not in CONSUMERS:
            raise TypeError(f"consumers/handlers/{module.name}.py has no consumer called {module.name}")
    return CONSUMERS
