"""When Python looks for cycles that nobody refers to any more."""

import gc

ALLOCATIONS = 50_000
"""By default it looks every 700; a batch of events is tens of thousands of values, and no cycle among them."""


def collect_seldom() -> None:
    """For a process that handles batches: looking took a seventh of its CPU. What is loaded by now stays for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 20)
