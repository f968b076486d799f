"""Many observations of the same at once are what they would be one by one."""

import pytest
from prometheus_client import CollectorRegistry

from infra.metrics import Times

BUCKETS = (0.1, 1.0)


def told(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Each sample by its name and bucket, but for when it was made."""
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return {
        (sample.name, sample.labels.get("le", "")): sample.value for sample in samples if "created" not in sample.name
    }


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.5, 1.0, 7.0])
def test_observing_many_at_once_is_observing_each(seconds: float) -> None:
    together, apart = CollectorRegistry(), CollectorRegistry()

    Times("took", "Seconds.", ["who"], buckets=BUCKETS, registry=together).labels("me").observe_each(seconds, 3)
    histogram = Times("took", "Seconds.", ["who"], buckets=BUCKETS, registry=apart).labels("me")
    for _ in range(3):
        histogram.observe(seconds)

    assert told(together) == pytest.approx(told(apart))
