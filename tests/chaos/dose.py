"""How much of it: each scenario has a short form for `make test`, and a long one for `make chaos`."""

from dataclasses import dataclass

import pytest

LONG_SECONDS = 400


@dataclass(frozen=True, kw_only=True)
class Dose:
    """`faults` of them, `pause` seconds apart, under `rate` commands a second."""

    faults: int
    pause: float
    rate: float


def doses(*, short: Dose, long: Dose) -> pytest.MarkDecorator:
    marks = (pytest.mark.chaos, pytest.mark.timeout(LONG_SECONDS))
    return pytest.mark.parametrize(
        "dose", [pytest.param(short, id="short"), pytest.param(long, id="long", marks=marks)]
    )
