"""`waybill` as the chaos suite runs it: failpoints count, and strike by seeded dice; some events may be poison.

What to do comes in CHAOS_PLAN, as JSON. It has no name of Waybill's own: those are settings, and an unknown one of
them stops the process.
"""

import itertools
import os
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

import waybill
from infra import failpoints
from tests.chaos.hits import Hits

VARIABLE = "CHAOS_PLAN"
KILLED = 137


class Struck(Exception):
    """A failpoint's error, as a bug or a broken service would raise it."""


class Poisoned(Exception):
    """A handler's error that comes back whenever it is tried."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Chances of each failpoint, from 0 to 1; those without one are only counted."""

    seed: int
    hits: str
    """The directory in which each process keeps its counts."""
    exits: Mapping[str, float] = {}
    errors: Mapping[str, float] = {}
    armed: str | None = None
    """Failpoints only count once this file is gone."""
    poison: str | None = None
    """While this file exists, files called poison-<consumer>… fail and files called killer-<consumer>… kill."""


def main() -> None:
    plan = msgspec.json.decode(os.environ[VARIABLE], type=Plan)
    failpoints.arm(_dice(plan))
    if plan.poison is not None and sys.argv[1] == "worker":
        _poison(Path(plan.poison))
    waybill.main()


def _dice(plan: Plan) -> Callable[[str], None]:
    """A restarted process throws other dice than the one before, and the same ones in the next run of this seed."""
    hits, name = _first_free(Path(plan.hits), sys.argv[1])
    dice = random.Random(f"{plan.seed}/{name}")  # noqa: S311 - chaos, not a secret

    def reached(failpoint: str) -> None:
        hits.reached(failpoint)
        chance = dice.random()
        if plan.armed is not None and not Path(plan.armed).exists():
            return
        if chance < plan.exits.get(failpoint, 0):
            hits.struck(failpoint)
            os._exit(KILLED)
        if chance < plan.errors.get(failpoint, 0):
            hits.struck(failpoint)
            raise Struck(failpoint)

    return reached


def _first_free(directory: Path, command: str) -> tuple[Hits, str]:
    for number in itertools.count(1):
        name = f"{command}-{number}"
        try:
            return Hits(directory / name), name
        except FileExistsError:
            continue
    raise AssertionError


def _poison(marker: Path) -> None:
    from consumers.subscription import CONSUMERS, discover  # noqa: PLC0415 - only a worker has consumers

    for name, consumer in list(discover().items()):
        CONSUMERS[name] = replace(consumer, effect=_spoiled(name, consumer.effect, marker))


def _spoiled(consumer: str, effect: Callable[..., Any], marker: Path) -> Callable[..., Any]:
    async def spoiled(session: Any, event: Any, *needs: Any) -> None:
        _spoil(consumer, getattr(event, "name", ""), marker)
        await effect(session, event, *needs)

    return spoiled


def _spoil(consumer: str, called: str, marker: Path) -> None:
    if called.startswith(f"killer-{consumer}") and marker.exists():
        os._exit(KILLED)
    if called.startswith(f"poison-{consumer}") and marker.exists():
        raise Poisoned(called)


if __name__ == "__main__":
    main()
