"""Ingest as a process that is told to stop, killed, or left without its store: no acknowledged reading is missing."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.device import Device, Municipality
from core.mqtt import Message, MqttClient
from core.settings import Settings
from storage.readings import open_readings
from storage.state import open_state

Wait = Callable[..., Any]
TOPIC = "kreispuls/v1/marburg/waste_bin/b1/event/up"
START_MS = 1_700_000_000_000
MESSAGES = 3000


@pytest.fixture
def settings(mosquitto: Any, tmp_path: Path) -> Settings:
    made = Settings(_env_file=None, data_dir=tmp_path / "data", mqtt_url=mosquitto.url, ingest_metrics_port=0)
    state = open_state(made.state_url)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    state.devices.put_many([Device(device_id="b1", device_type="waste_bin", municipality="marburg")])
    state.close()
    open_readings(made).close()
    return made


@contextmanager
def ingest(settings: Settings, wait_until: Wait) -> Iterator[subprocess.Popen[bytes]]:
    """Ingest runs and is subscribed; killed at the end if it still runs."""
    seen: list[Message] = []
    watcher = MqttClient(settings.mqtt_url, "watcher", filters=["kreispuls/v1/_platform/#"], on_message=seen.append)
    watcher.start()
    watcher.wait_connected(10)
    environment = os.environ | {
        "KREISPULS_DATA_DIR": str(settings.data_dir),
        "KREISPULS_MQTT_URL": settings.mqtt_url,
        "KREISPULS_INGEST_METRICS_PORT": "0",
    }
    process = subprocess.Popen([sys.executable, "-P", "-m", "cli.main", "ingest"], env=environment)
    try:
        wait_until(lambda: any(message.payload == b"online" and not message.retain for message in seen), "online", 60)
        yield process
    finally:
        process.kill()
        process.wait()
        watcher.stop()


class Counter:
    """A device that numbers its readings; `acknowledged` is what the broker has taken from it."""

    def __init__(self, url: str) -> None:
        self._client = MqttClient(url, "counter")
        self._client.start()
        self._client.wait_connected(10)
        self.acknowledged = 0
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        messages = (
            (TOPIC, f'{{"observed_at":{START_MS + number * 1000},"weight_kg":{number}}}'.encode())
            for number in range(MESSAGES)
        )
        for done in self._client.publish_all(messages):
            self.acknowledged = done

    def finish(self) -> None:
        self._thread.join(60)
        assert self.acknowledged == MESSAGES
        self._client.stop()


def stored(settings: Settings) -> list[int]:
    readings = open_readings(settings)
    try:
        found = readings.series("b1", ["weight_kg"], datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
        return [int(item.value) for item in found]
    finally:
        readings.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_or_killed_under_load_and_started_again_nothing_is_missing(
    settings: Settings, wait_until: Wait, number: signal.Signals
) -> None:
    with ingest(settings, wait_until) as process:
        counter = Counter(settings.mqtt_url)
        wait_until(lambda: counter.acknowledged > MESSAGES // 4, "a quarter is published")
        process.send_signal(number)
        status = process.wait(60)
    if number is signal.SIGTERM:
        assert status == 0
    with ingest(settings, wait_until):
        counter.finish()
        wait_until(lambda: len(stored(settings)) >= MESSAGES, "all are stored", 60)
    assert stored(settings) == list(range(MESSAGES))


def test_while_the_store_is_locked_nothing_is_acknowledged_and_afterwards_nothing_is_missing(
    settings: Settings, wait_until: Wait
) -> None:
    lock = sqlite3.connect(settings.data_dir / "readings.db", isolation_level=None)
    with ingest(settings, wait_until) as process:
        lock.execute("BEGIN EXCLUSIVE")
        counter = Counter(settings.mqtt_url)
        counter.finish()
        process.kill()  # what it held in memory is gone; the broker has it still
        process.wait()
        lock.execute("ROLLBACK")
        lock.close()
    assert len(stored(settings)) < MESSAGES
    with ingest(settings, wait_until):
        wait_until(lambda: len(stored(settings)) >= MESSAGES, "all are stored", 60)
    assert stored(settings) == list(range(MESSAGES))


def test_the_broker_restarts_and_nothing_is_missing(settings: Settings, wait_until: Wait, mosquitto: Any) -> None:
    with ingest(settings, wait_until):
        counter = Counter(settings.mqtt_url)
        wait_until(lambda: counter.acknowledged > MESSAGES // 4, "a quarter is published")
        mosquitto.stop()
        mosquitto.start()
        counter.finish()
        wait_until(lambda: len(stored(settings)) >= MESSAGES, "all are stored", 60)
    assert stored(settings) == list(range(MESSAGES))
