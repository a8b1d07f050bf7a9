"""Metrics: histograms are right, reconnects are counted, and docs/operations.md names each metric that there is."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api.metrics import Metrics, StateGauges
from core.reading import Reading
from ingest import metrics
from ingest.metrics import BatchHistogram
from mqtt.client import MqttClient
from state.state import open_state

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
NOW = datetime(2026, 5, 4, tzinfo=UTC)


def test_the_documented_metrics_are_those_that_there_are() -> None:
    state = open_state("sqlite://")
    of_api = Metrics()
    of_api.registry.register(StateGauges(state))
    there = {
        (metric.name, metric.type)
        for registry in (metrics.REGISTRY, of_api.registry)
        for metric in registry.collect()
        if not metric.name.startswith("process_")
    }
    state.close()
    documented = re.findall(
        r"^\| `(kreispuls_\w+)` \| (counter|gauge|histogram) \|", OPERATIONS.read_text(), re.MULTILINE
    )
    assert len(documented) == len(set(documented))
    assert set(documented) == there


def test_a_histogram_counts_each_value_in_its_bucket_and_all_above() -> None:
    registry = CollectorRegistry()
    histogram = BatchHistogram("h_seconds", "Text", (0.1, 1, 10))
    registry.register(histogram)
    histogram.observe([-3.0, 0.1, 0.11, 1.0])
    histogram.observe([11.0])
    at_most = {
        bound: registry.get_sample_value("h_seconds_bucket", {"le": bound}) for bound in ("0.1", "1.0", "10.0", "+Inf")
    }
    assert at_most == {"0.1": 2, "1.0": 4, "10.0": 4, "+Inf": 5}
    assert registry.get_sample_value("h_seconds_count") == 5
    assert registry.get_sample_value("h_seconds_sum") == pytest.approx(9.21)


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_age_counts_from_the_observation_and_wait_from_the_receipt() -> None:
    before = value("kreispuls_reading_age_seconds_sum"), value("kreispuls_reading_wait_seconds_sum")
    seen, received = NOW - timedelta(hours=2), NOW - timedelta(seconds=3)
    metrics.note_durable([Reading("b1", "waste_bin", "marburg", seen, received, {"weight_kg": 1.0})], NOW)
    assert value("kreispuls_reading_age_seconds_sum") - before[0] == pytest.approx(7200)
    assert value("kreispuls_reading_wait_seconds_sum") - before[1] == pytest.approx(3)


def test_each_connection_after_the_first_is_counted(mosquitto: Any, wait_until: Callable[..., object]) -> None:
    metrics.note_connection(True)  # the first of this process
    client = MqttClient(mosquitto.url, "counted", on_connection=metrics.note_connection)
    before = value("kreispuls_broker_reconnects_total")
    client.start()
    wait_until(lambda: value("kreispuls_broker_reconnects_total") == before + 1, "the second is counted")
    mosquitto.stop()
    wait_until(lambda: value("kreispuls_broker_connected") == 0, "the loss is seen")
    mosquitto.start()
    wait_until(lambda: value("kreispuls_broker_reconnects_total") == before + 2, "the third is counted")
    client.stop()
