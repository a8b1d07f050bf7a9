"""Counters of ingest for Prometheus."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from core.errors import SettingsError

TAKEN_S: Final = 2.0
"""How long a taken port is waited for: a predecessor whose parent was killed may be just ending."""
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


def serve(host: str, port: int) -> Callable[[], None]:
    """Serve the metrics over HTTP in the background; what is returned ends that.

    Raises:
        SettingsError: the address is taken.
    """
    deadline = time.monotonic() + TAKEN_S
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
