"""A real ingest in a process of its own, a device that numbers its readings, and what is stored of them."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.device import Device, Municipality
from core.settings import Settings
from core.topics import Topics
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from readings.store import ReadingStore
from state.state import open_state
from tests.faults.bins import Ingest, register_bins
from tests.faults.program import Program, Running, environment_of, kill, metric_of
from tests.patience import PATIENCE_S

Wait = Callable[..., Any]
TOPIC = "kreispuls/v1/marburg/waste_bin/b1/event/up"
LAMP = "kreispuls/v1/marburg/streetlight/l1"
START_MS = 1_700_000_000_000


class Counter:
    """A device that publishes readings with the numbers of `numbers`; `acknowledged`: taken by the broker so far."""

    def __init__(self, url: str, numbers: range) -> None:
        self._client = MqttClient(url, "counter")
        self._client.start()
        self._client.wait_connected(PATIENCE_S)
        self._numbers = numbers
        self.acknowledged = 0
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        messages = (
            (TOPIC, f'{{"observed_at":{START_MS + number * 1000},"weight_kg":{number}}}'.encode())
            for number in self._numbers
        )
        for done in self._client.publish_all(messages, timeout_s=PATIENCE_S):
            self.acknowledged = done

    def finish(self) -> None:
        """Wait until the broker has all."""
        self._thread.join(PATIENCE_S)
        assert self.acknowledged == len(self._numbers)
        self._client.stop()


@dataclass
class Site:
    """Broker and stores for one ingest, which the test starts and ends as often as it likes."""

    settings: Settings
    wait_until: Wait

    @contextmanager
    def ingest(self) -> Iterator[Program]:
        """Ingest runs and is subscribed; killed at the end if it still runs."""
        seen: list[Message] = []
        filters = ["kreispuls/v1/_platform/#"]
        watcher = MqttClient(self.settings.mqtt_url, "watcher", filters=filters, on_message=seen.append)
        watcher.start()
        watcher.wait_connected(PATIENCE_S)
        process = Program("ingest", environment=environment_of(self.settings))

        def online() -> bool:
            assert process.poll() is None, "ingest ended"
            return any(message.payload == b"online" and not message.retain for message in seen)

        try:
            self.wait_until(online, "ingest is online")
            yield process
        finally:
            kill(process)
            watcher.stop()

    def publish(self, numbers: range) -> Counter:
        return Counter(self.settings.mqtt_url, numbers)

    def lock(self) -> sqlite3.Connection:
        """Let nobody write to the store until this is closed."""
        path = self.settings.data_dir / "readings.db"
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN EXCLUSIVE")
        return connection

    def stored(self) -> list[int]:
        """The numbers in the store, in order of observation."""
        readings = open_readings(self.settings)
        try:
            span = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
            return [int(item.value) for item in readings.series("b1", ["weight_kg"], *span)]
        finally:
            readings.close()

    def metric(self, name: str) -> float:
        """A metric of the running ingest."""
        return metric_of(self.settings, name)

    def wait_acknowledged(self, messages: int) -> None:
        """Wait until the broker knows that ingest has acknowledged so many messages since it started; once a test.

        What ingest sends arrives in order: after the acknowledgements, a light command that is asked for then.
        """
        self.wait_until(lambda: self.metric("kreispuls_batch_messages_sum") >= messages, f"{messages} are acknowledged")
        heard: list[Message] = []
        told = [f"{LAMP}/command/set_light"]
        lamp = MqttClient(self.settings.mqtt_url, "for l1", filters=told, on_message=heard.append)
        lamp.start()
        lamp.wait_connected(PATIENCE_S)
        lamp.publish_confirmed(f"{LAMP}/event/up", b'{"presence": true}', timeout_s=PATIENCE_S)
        self.wait_until(lambda: heard, "the lamp is told to light up")
        lamp.stop()

    def unacknowledged(self) -> int:
        """How many readings the broker still holds for ingest, which must not run: it is asked in ingest's name."""
        end = "kreispuls/v1/end"
        heard: list[str] = []
        session = MqttClient(
            self.settings.mqtt_url,
            self.settings.mqtt_client_id,
            persistent=True,
            manual_ack=True,
            on_message=lambda message: heard.append(message.topic),
        )
        session.start()
        session.wait_connected(PATIENCE_S)
        session.publish_confirmed(end, b"", timeout_s=PATIENCE_S)
        self.wait_until(lambda: end in heard, "all that waits has come")
        session.stop()
        return heard.count(TOPIC)

    def spool_files(self) -> list[Path]:
        return sorted((self.settings.data_dir / "spool").rglob("spool.db"))


@pytest.fixture
def autosave_changes() -> int:
    """Mosquitto is stopped in order here, or told to save, so it need not write its database after each change."""
    return 100_000


@pytest.fixture
def make_site(mosquitto: Any, tmp_path: Path, wait_until: Wait, free_port: int) -> Callable[..., Site]:
    """A site with settings of one's own."""

    def make(**changes: Any) -> Site:
        chosen = {"data_dir": tmp_path / "data", "mqtt_url": mosquitto.url, "ingest_metrics_port": free_port}
        settings = Settings(_env_file=None, **chosen | changes)
        state = open_state(settings.state_url)
        state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
        kinds = {"b1": "waste_bin", "l1": "streetlight"}
        state.devices.put_many(
            [Device(device_id=name, device_type=kind, municipality="marburg") for name, kind in kinds.items()]
        )
        state.close()
        open_readings(settings).close()
        return Site(settings, wait_until)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """SQLite in the data directory."""
    return make_site()


@pytest.fixture
def settings(mosquitto: Any, tmp_path: Path) -> Settings:
    """A town with the bins of `tests.faults.bins`, stores in SQLite."""
    made = Settings(_env_file=None, data_dir=tmp_path / "data", mqtt_url=mosquitto.url, ingest_metrics_port=0)
    state = open_state(made.state_url)
    register_bins(state)
    state.close()
    return made


@pytest.fixture
def readings(settings: Settings) -> Iterator[ReadingStore]:
    store = open_readings(settings)
    yield store
    store.close()


@pytest.fixture
def launch() -> Callable[[dict[str, str]], Running] | None:
    """How ingest is started with an environment, if otherwise than usual."""
    return None


@pytest.fixture
def ingest(
    settings: Settings, launch: Callable[[dict[str, str]], Running] | None, wait_until: Wait
) -> Iterator[Ingest]:
    """Ingest, started once and subscribed: the broker keeps from now on what it is not there to take."""
    seen: list[Message] = []
    watcher = MqttClient(settings.mqtt_url, "watcher", filters=["kreispuls/v1/_platform/#"], on_message=seen.append)
    watcher.start()
    watcher.wait_connected(PATIENCE_S)
    made = Ingest(settings, wait_until, launch)
    try:
        made.start()
        wait_until(lambda: any(message.payload == b"online" for message in seen), "ingest is online")
        watcher.stop()
        yield made
    finally:
        made.kill()


@pytest.fixture
def subscribed(mosquitto: Any, settings: Settings) -> None:
    """An earlier ingest has made its session, so that the broker keeps messages for the next."""
    filters = Topics(settings.mqtt_topic_root).ingest_filters
    earlier = MqttClient(mosquitto.url, settings.mqtt_client_id, persistent=True)
    earlier.start()
    earlier.wait_connected(PATIENCE_S)
    earlier.subscribe(filters)
    earlier.stop()
