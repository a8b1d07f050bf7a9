"""Counters of ingest for Prometheus, and how old readings are when they are durable."""

import itertools
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from core.errors import SettingsError
from core.reading import Reading

REGISTRY = CollectorRegistry()


class ReceivedMessages(Collector):
    """Counts without a lock, which per message costs as much as decoding: only one thread counts."""

    def __init__(self) -> None:
        self.count = 0

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        yield CounterMetricFamily("kreispuls_messages_received", "Messages from the broker", value=self.count)


received = ReceivedMessages()
REGISTRY.register(received)
stored = Counter("kreispuls_readings_stored", "Readings durable in the store", registry=REGISTRY)
rejected = Counter("kreispuls_messages_rejected", "Messages rejected, as a whole or in part", registry=REGISTRY)
unknown_keys = Counter("kreispuls_unknown_keys", "Keys in messages that no quantity has", registry=REGISTRY)
commands = Counter("kreispuls_commands_sent", "Commands sent to devices", registry=REGISTRY)
alert_changes = Counter("kreispuls_alert_changes", "Alerts raised, fired or resolved", registry=REGISTRY)
dropped = Counter("kreispuls_messages_left_to_broker", "Messages not taken while stopping", registry=REGISTRY)
store_failures = Counter("kreispuls_store_failures", "Failed tries to store a batch", registry=REGISTRY)
spooled = Counter("kreispuls_readings_spooled", "Readings put on the spool, their store being away", registry=REGISTRY)
spool_corrupt = Counter(
    "kreispuls_spool_corrupt_records", "Damaged stretches of the spool, each of one or more records", registry=REGISTRY
)
spool_bytes = Gauge("kreispuls_spool_bytes", "Bytes on the spool that wait for the store", registry=REGISTRY)
waiting = Gauge("kreispuls_messages_waiting", "Messages received and not yet durable", registry=REGISTRY)
connected = Gauge("kreispuls_broker_connected", "1 while the broker connection stands", registry=REGISTRY)
reconnects = Counter("kreispuls_broker_reconnects", "Broker connections made after the first", registry=REGISTRY)
lamps_up = Gauge("kreispuls_lamps_up", "Lamps raised for presence", registry=REGISTRY)
lamps_unresponsive = Gauge("kreispuls_lamps_unresponsive", "Lamps that do not answer commands", registry=REGISTRY)
lag = Gauge("kreispuls_lag_seconds", "Received to durable, slowest of the last batch", registry=REGISTRY)
batch_size = Histogram(
    "kreispuls_batch_messages", "Messages per batch", buckets=(1, 10, 50, 100, 250, 500, 1000, 5000), registry=REGISTRY
)


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


reading_age: Final = BatchHistogram(
    "kreispuls_reading_age_seconds",
    "Observed to durable, per reading",
    (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400),
)
reading_wait: Final = BatchHistogram(
    "kreispuls_reading_wait_seconds",
    "Received to durable, per reading",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
REGISTRY.register(reading_age)
REGISTRY.register(reading_wait)


def note_durable(readings: Sequence[Reading], now: datetime) -> None:
    """These readings are durable now."""
    if readings:
        reading_age.observe((now - reading.observed_at).total_seconds() for reading in readings)
        reading_wait.observe((now - reading.received_at).total_seconds() for reading in readings)


class Recent:
    """The slowest batch and the largest since the last look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lag_s: float | None = None
        self._readings = 0

    def note(self, lag_s: float, readings: int) -> None:
        """A batch is durable: received to durable in seconds, and how many readings it had."""
        with self._lock:
            self._lag_s = max(lag_s, self._lag_s or 0.0)
            self._readings = max(readings, self._readings)

    def take(self) -> tuple[float | None, int]:
        """Slowest lag (None: nothing came) and largest batch since the last call."""
        with self._lock:
            taken = self._lag_s, self._readings
            self._lag_s, self._readings = None, 0
            return taken


recent = Recent()


_connections = itertools.count()


def note_connection(stands: bool) -> None:  # noqa: FBT001 - as the client calls it
    """The broker connection was made or is gone."""
    connected.set(stands)
    if stands and next(_connections):
        reconnects.inc()


def total(name: str) -> int:
    """A counter's value by its name without suffix."""
    return int(REGISTRY.get_sample_value(f"{name}_total") or 0)


def serve(host: str, port: int, within_s: float = 0.0) -> Callable[[], None]:
    """Serve the metrics over HTTP in the background; what is returned ends that. A taken port is waited for.

    Raises:
        SettingsError: the address is taken.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            server, thread = start_http_server(port, addr=host, registry=REGISTRY)
        except OSError as error:
            if time.monotonic() >= deadline:
                reason = f"{host}:{port} cannot be listened on: {error.strerror}"
                raise SettingsError(f"KREISPULS_INGEST_METRICS_PORT: {reason}") from error
            time.sleep(0.02)
        else:
            break

    def end() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return end
