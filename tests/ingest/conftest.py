"""A real ingest on real stores and a real broker, and a device beside it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.device import Device, Municipality
from core.mqtt import Message, MqttClient
from core.rejected import RejectedMessage
from core.settings import Settings
from ingest.program import run
from storage.readings import ReadingStore, open_readings
from storage.rejected import RejectedFilter
from storage.state import State, open_state

LAMPS = [
    Device(
        device_id=f"l{index}", device_type="streetlight", municipality="marburg", name=f"Lamp {index}",
        street="Beltershäuser Straße", latitude=50.79, longitude=8.78 + index * 0.0004,
        attributes={"street_order": index},
    )
    for index in range(6)
]  # fmt: skip
BINS = [Device(device_id="b1", device_type="waste_bin", municipality="marburg", name="Marktplatz")]


@dataclass
class Platform:
    """Everything around one running ingest."""

    settings: Settings
    state: State
    readings: ReadingStore
    device: MqttClient
    heard: list[Message] = field(default_factory=list)

    def say(self, topic: str, payload: bytes) -> None:
        self.device.publish_confirmed(f"kreispuls/v1/{topic}", payload)

    def rejected_messages(self) -> list[RejectedMessage]:
        return self.state.rejected.page(RejectedFilter(), 1000).items

    def rejected(self) -> dict[str, str]:
        return {message.topic: message.reason for message in self.rejected_messages()}


@contextmanager
def running_ingest(settings: Settings) -> Iterator[None]:
    stop = threading.Event()
    failures: list[BaseException] = []

    def target() -> None:
        try:
            run(settings, stop)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    thread = threading.Thread(target=target, name="ingest-under-test")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert not failures, failures


@pytest.fixture
def platform(
    mosquitto: Any, tmp_path: Path, request: pytest.FixtureRequest, wait_until: Callable[..., object]
) -> Iterator[Platform]:
    """Ingest runs; `@pytest.mark.parametrize("platform", [{...settings}], indirect=True)` changes settings."""
    settings = Settings(
        _env_file=None,
        **{"data_dir": tmp_path, "mqtt_url": mosquitto.url, "ingest_metrics_port": 0, "presence_hold_s": 5.0}
        | getattr(request, "param", {}),
    )
    state = open_state(settings.state_url)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    state.devices.put_many([*LAMPS, *BINS])
    readings = open_readings(settings)
    heard: list[Message] = []
    device = MqttClient(
        mosquitto.url, "device-under-test", filters=["kreispuls/v1/+/+/+/command/+", "kreispuls/v1/+/+/+/alert/+"],
        on_message=heard.append,
    )  # fmt: skip
    online: list[Message] = []
    watcher = MqttClient(mosquitto.url, "watcher", filters=["kreispuls/v1/_platform/#"], on_message=online.append)
    device.start()
    watcher.start()
    device.wait_connected(10)
    with running_ingest(settings):
        wait_until(lambda: any(message.payload == b"online" for message in online), "ingest is online")
        yield Platform(settings, state, readings, device, heard)
    device.stop()
    watcher.stop()
    readings.close()
    state.close()
