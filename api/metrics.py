"""Prometheus metrics of the API: requests counted as they happen, gauges read from the state when asked."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from state.state import State

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "kreispuls_api_requests_total",
            "Requests by method, route and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "kreispuls_api_request_seconds",
            "Time until the response starts",
            ("method", "route"),
            registry=self.registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request whose response has started."""
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format.

        Raises:
            StorageError: the state database does not give the gauges.
        """
        return generate_latest(self.registry)


class StateGauges(Collector):
    """Gauges that the state database knows."""

    def __init__(self, state: State) -> None:
        self._state = state

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: registering must not read the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the gauges."""
        devices = GaugeMetricFamily(
            "kreispuls_devices", "Registered devices", labels=("municipality", "device_type", "status")
        )
        for labels, count in self._state.devices.count_by_status().items():
            devices.add_metric([str(label) for label in labels], count)
        yield devices
        alerts = GaugeMetricFamily("kreispuls_open_alerts", "Open alerts", labels=("municipality",))
        for municipality, count in self._state.alerts.count_open().items():
            alerts.add_metric([municipality], count)
        yield alerts
        yield GaugeMetricFamily(
            "kreispuls_rejected_messages", "Rejected messages kept", value=self._state.rejected.count()
        )
        yield GaugeMetricFamily(
            "kreispuls_plans_waiting", "Plans that wait for a planner", value=self._state.plan_queue.waiting().plans
        )
