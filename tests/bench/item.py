"""`@item` says of a measurement what it is measured in and what is asked of it; its file in `items/` has its name."""

import importlib
import operator
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.bench.place import Place


class Unavailable(Exception):
    """A peer cannot be measured here; the text says why, and stands in the table in place of a figure."""


@dataclass(frozen=True)
class Measured:
    """What one run of a side found: the figure that is compared, and others by name."""

    figure: float
    more: Mapping[str, float] = field(default_factory=dict)


Side = Callable[[], Awaitable[float | Measured]]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is run in turns; each run measures itself, so that what it prepares is not counted."""

    ours: Side
    floor: Side | None = None
    peers: Mapping[str, Side] = field(default_factory=dict)
    """Run once each, before the rounds."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """How much of what, for whoever reads the figure."""


@dataclass(frozen=True)
class Goal:
    """For `ours`, `ratio`, `peers` (ours divided by the best of them), a name of `Measured.more`, or `ratio of` one."""

    figure: str
    is_kept_by: Callable[[float, float], bool]
    limit: float

    def __str__(self) -> str:
        sign = ">=" if self.is_kept_by is operator.ge else "<="
        return f"{self.figure} {sign} {self.limit:g}"


def at_least(limit: float, figure: str = "ratio") -> Goal:
    return Goal(figure, operator.ge, limit)


def at_most(limit: float, figure: str = "ratio") -> Goal:
    return Goal(figure, operator.le, limit)


Measuring = Callable[[Place], AbstractAsyncContextManager[Sides]]


@dataclass(frozen=True)
class Item:
    name: str
    measuring: Measuring
    unit: str
    goals: tuple[Goal, ...]
    higher_is_better: bool
    rounds: int
    """How often each side is run, in turns."""
    seconds: float
    """For all of it; rounds are left out where it would take more."""
    warm_up: int
    """Rounds before those, that do not count."""
    postgres: Mapping[str, str]
    """Settings of Postgres that differ from those of `waybill up`; never its durability."""
    prepare: Callable[[Place], Awaitable[object]] | None
    """What is kept from run to run, such as a filled database; its time is not the item's."""


ITEMS: dict[str, Item] = {}


def item(
    *goals: Goal,
    unit: str,
    higher_is_better: bool = True,
    rounds: int = 5,
    seconds: float = 45,
    warm_up: int = 0,
    postgres: Mapping[str, str] | None = None,
    prepare: Callable[[Place], Awaitable[object]] | None = None,
) -> Callable[[Measuring], Measuring]:
    """Make an async context manager that yields `Sides` an item under its own name."""

    def register(measuring: Measuring) -> Measuring:
        name = getattr(measuring, "__name__", "")
        ITEMS[name] = Item(
            name, measuring, unit, goals, higher_is_better, rounds, seconds, warm_up, dict(postgres or {}), prepare
        )
        return measuring

    return register


def discover() -> Mapping[str, Item]:
    """Every item there is, by name."""
    folder: Any = importlib.import_module("tests.bench.items")
    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"tests.bench.items.{module.name}")
        if module.name not in ITEMS:
            raise TypeError(f"tests/bench/items/{module.name}.py has no item called {module.name}")
    return ITEMS
