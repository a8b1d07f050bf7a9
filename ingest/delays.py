"""How old readings are when they are durable, as histograms for Prometheus; counted a batch at a time."""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from core.reading import Reading
from ingest.metrics import REGISTRY


class BatchHistogram(Collector):
    """A histogram of seconds that takes many values at once: the client library's takes a lock for each.

    Args:
        bounds_s: upper bounds of the buckets, ascending; a last one without bound is added.
    """

    def __init__(self, name: str, help_text: str, bounds_s: Sequence[float]) -> None:
        self._name = name
        self._help = help_text
        self._bounds_s = tuple(bounds_s)
        self._lock = threading.Lock()
        self._counts = [0] * (len(self._bounds_s) + 1)
        self._sum_s = 0.0

    def observe(self, values_s: Iterable[float]) -> None:
        """Count values; a negative one (a clock that is ahead) is in the first bucket."""
        counts, total_s = [0] * len(self._counts), 0.0
        for value_s in values_s:
            counts[bisect_left(self._bounds_s, value_s)] += 1
            total_s += value_s
        with self._lock:
            self._counts = [had + more for had, more in zip(self._counts, counts, strict=True)]
            self._sum_s += total_s

    def collect(self) -> Iterator[Metric]:
        """The histogram as Prometheus wants it: cumulative."""
        with self._lock:
            counts, sum_s = self._counts, self._sum_s
        names = [*(str(float(bound_s)) for bound_s in self._bounds_s), "+Inf"]
        buckets = [(name, float(sum(counts[: place + 1]))) for place, name in enumerate(names)]
        yield HistogramMetricFamily(self._name, self._help, buckets=buckets, sum_value=sum_s)


age: Final = BatchHistogram(
    "kreispuls_reading_age_seconds",
    "Observed to durable, per reading",
    (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400),
)
wait: Final = BatchHistogram(
    "kreispuls_reading_wait_seconds",
    "Received to durable, per reading",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
REGISTRY.register(age)
REGISTRY.register(wait)


def note(readings: Sequence[Reading], now: datetime) -> None:
    """These readings are durable now."""
    if readings:
        age.observe((now - reading.observed_at).total_seconds() for reading in readings)
        wait.observe((now - reading.received_at).total_seconds() for reading in readings)
