"""What `bench.json` says of an item."""

import os
import platform
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import msgspec
import psutil

from tests.bench.item import Item, Measured


class Result(msgspec.Struct, kw_only=True):
    """Medians over the rounds. What is none, as the floor of what has no floor, is null."""

    item: str
    unit: str
    ours: float | None = None
    floor: float | None = None
    ratio: float | None = None
    """Ours divided by the floor."""
    runs: int = 0
    spread: float | None = None
    """How far the rounds lie apart, (largest - smallest) / median, of the shakier side; null of one round."""
    settings: dict[str, Any] = {}
    figures: dict[str, float] = {}
    """Ours beyond the first, as percentiles."""
    floor_figures: dict[str, float] = {}
    peers: dict[str, float | str] = {}
    """In the same unit; or why there is no figure."""
    goals: dict[str, bool] = {}
    """Whether each was met."""
    failed: str | None = None
    """Why the item could not be measured."""


def failure(item: Item, reason: str) -> Result:
    return Result(item=item.name, unit=item.unit, failed=reason)


def result(
    item: Item,
    ours: Sequence[Measured],
    floor: Sequence[Measured],
    peers: Mapping[str, float | str],
    settings: Mapping[str, Any],
) -> Result:
    own, ground = _median(ours), _median(floor) if floor else None
    found = Result(
        item=item.name,
        unit=item.unit,
        ours=own.figure,
        floor=ground.figure if ground else None,
        ratio=own.figure / ground.figure if ground else None,
        runs=len(ours),
        spread=max(_spread(side) for side in (ours, floor) if side) if len(ours) > 1 else None,
        settings=dict(settings),
        figures=dict(own.more),
        floor_figures=dict(ground.more) if ground else {},
        peers=dict(peers),
    )
    found.goals = {str(goal): goal.is_kept_by(_figure(found, item, goal.figure), goal.limit) for goal in item.goals}
    return found


def machine() -> dict[str, Any]:
    """What the figures were taken on, and how busy it was with other things, of 1, in the second before the item."""
    busy = round(psutil.cpu_percent(interval=1) / 100, 2)
    return {"cpus": os.cpu_count(), "python": platform.python_version(), "busy_before": busy}


def _median(runs: Sequence[Measured]) -> Measured:
    names = runs[0].more
    return Measured(
        median(run.figure for run in runs), {name: median(run.more[name] for run in runs) for name in names}
    )


def _spread(runs: Sequence[Measured]) -> float:
    figures = [run.figure for run in runs]
    return (max(figures) - min(figures)) / median(figures)


def _figure(found: Result, item: Item, name: str) -> float:
    """NaN, which keeps no goal, where there is no such figure."""
    ratios = {f"ratio of {each}": found.figures[each] / floor for each, floor in found.floor_figures.items()}
    known = {"ours": found.ours, "ratio": found.ratio, "peers": _ahead(found, item), **found.figures, **ratios}
    figure = known.get(name)
    return float("nan") if figure is None else figure


def _ahead(found: Result, item: Item) -> float | None:
    """None while a peer has no figure: nobody is ahead of what was not measured."""
    figures = [figure for figure in found.peers.values() if not isinstance(figure, str)]
    if found.ours is None or not figures or len(figures) < len(found.peers):
        return None
    return found.ours / (max if item.higher_is_better else min)(figures)
