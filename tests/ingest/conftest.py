"""A real ingest on real stores and a real broker, and a device beside it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.device import Device, Municipality
from core.rejected import RejectedMessage
from core.settings import Settings
from ingest.program import run
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from readings.store import ReadingStore
from state.rejected import RejectedFilter
from state.state import State, open_state

LAMPS = [
    Device(
        device_id=f"l{index}", device_type="streetlight", municipality="marburg", name=f"Lamp {index}",
        street="Beltershäuser Straße", attributes={"street_order": index},  # no position: it is always dark
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
            run(settings, stop, own_process=False)  # a process would be forked with the stores of the test open
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
def make_platform(mosquitto: Any, tmp_path: Path, wait_until: Callable[..., object]) -> Callable[..., Any]:
    """Start ingest with settings of one's own; a context manager that gives the `Platform`."""

    @contextmanager
    def make(**changes: Any) -> Iterator[Platform]:
        chosen = {"data_dir": tmp_path, "mqtt_url": mosquitto.url, "ingest_metrics_port": 0, "presence_hold_s": 5.0}
        settings = Settings(_env_file=None, **chosen | changes)
        state = open_state(settings.state_url)
        state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
        state.devices.put_many([*LAMPS, *BINS])
        readings = open_readings(settings)
        heard: list[Message] = []
        online: list[Message] = []
        filters = ["kreispuls/v1/+/+/+/command/+", "kreispuls/v1/+/+/+/alert/+"]
        device = MqttClient(mosquitto.url, "device-under-test", filters=filters, on_message=heard.append)
        watcher = MqttClient(mosquitto.url, "watcher", filters=["kreispuls/v1/_platform/#"], on_message=online.append)
        with ExitStack() as opened:  # a test that fails leaves no thread behind on which the run would wait
            for end in (state.close, readings.close, watcher.stop, device.stop):
                opened.callback(end)
            device.start()
            watcher.start()
            device.wait_connected(10)
            with running_ingest(settings):
                wait_until(lambda: any(message.payload == b"online" for message in online), "ingest is online")
                yield Platform(settings, state, readings, device, heard)

    return make


@pytest.fixture
def platform(make_platform: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[Platform]:
    """Ingest runs; `@pytest.mark.parametrize("platform", [{...settings}], indirect=True)` changes settings."""
    with make_platform(**getattr(request, "param", {})) as made:
        yield made
