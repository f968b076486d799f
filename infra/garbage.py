"""When Python looks for cycles that nobody refers to any more."""

import gc

ALLOCATIONS = 50_000
"""By default it looks every 700; a batch of events is tens of thousands of values, and no cycle among them."""


def load_undisturbed() -> None:
    """Until `settle` it does not look: imports make hundreds of thousands of values, all but a few of them to stay.

    Looking through them again and again took a tenth of a process's start.
    """
    gc.disable()


def settle(allocations: int = ALLOCATIONS) -> None:
    """What is loaded by now stays for good; from here on it looks after so many allocations.

    For a process that handles batches, looking as often as by default took a seventh of its CPU.
    """
    gc.freeze()
    gc.set_threshold(allocations, 20, 20)
    gc.enable()
