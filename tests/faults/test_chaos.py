"""Nothing that the broker acknowledged to a device is missing or twice, whatever is killed meanwhile.

Counted by sequence numbers; the moments are random (seeded) and under load. Ingest is a real process, forked from one
that has imported the program already, so that it is killed more often in its work than in its imports. The broker is a
real Mosquitto.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import to_epoch_us, utc_now
from core.device import Device, Municipality
from core.mqtt import Message, MqttClient
from core.reading import Aggregate
from core.settings import Settings
from storage.readings import ReadingStore, open_readings
from storage.rejected import RejectedFilter
from storage.state import open_state

Wait = Callable[..., Any]
SEED = 20260504
BINS = [f"b{number}" for number in range(4)]
START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = START - timedelta(days=3650), utc_now() + timedelta(days=1)
PER_SECOND = 4000
KILLS = 20

INGEST = """
import os, signal, sys, threading
from core.settings import load_settings
from ingest.program import run
settings = load_settings()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for _ in sys.stdin:
    process = os.fork()
    if process:
        print(process, flush=True)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = 1
    try:
        run(settings, threading.Event())
    finally:
        os._exit(status)
"""


class Ingest:
    """Starts ingest as often as it is told to; never two at a time."""

    def __init__(self, settings: Settings, wait_until: Wait) -> None:
        environment = os.environ | {
            "KREISPULS_DATA_DIR": str(settings.data_dir),
            "KREISPULS_MQTT_URL": settings.mqtt_url,
            "KREISPULS_INGEST_METRICS_PORT": "0",
            "KREISPULS_LOG_LEVEL": "error",
        }
        root = Path(__file__).parents[2]
        self._parent = subprocess.Popen(
            [sys.executable, "-c", INGEST], cwd=root, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._wait_until = wait_until
        self._process: int | None = None
        assert self._line() == "ready"

    def start(self) -> None:
        assert self._process is None
        assert self._parent.stdin is not None
        self._parent.stdin.write("start\n")
        self._parent.stdin.flush()
        self._process = int(self._line())

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process, number)

    def kill(self) -> None:
        if self._process is None:
            return
        self.send(signal.SIGKILL)
        gone = Path(f"/proc/{self._process}")
        self._wait_until(lambda: not gone.exists(), "ingest is gone")
        self._process = None

    def end(self) -> None:
        self.kill()
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(20)

    def _line(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline().strip()


class Devices:
    """Bins that number their readings, all over one connection; `acknowledged` of them are safe with the broker."""

    def __init__(self, url: str, messages: Iterator[tuple[str, bytes]]) -> None:
        self._client = MqttClient(url, "devices")
        self._client.start()
        self._client.wait_connected(10)
        self._go, self._enough = threading.Event(), threading.Event()
        self._go.set()
        self._messages = messages
        self.taken = 0
        self.acknowledged = 0
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def pause(self, wait_until: Wait) -> None:
        """Say nothing new until `resume`; what was said is acknowledged."""
        self._go.clear()
        wait_until(lambda: self._paused, "the devices are silent", 60)

    def resume(self) -> None:
        self._go.set()

    def finish(self) -> int:
        """Say nothing more; how many readings the broker has acknowledged, which is all that were said."""
        self._enough.set()
        self._go.set()
        self._thread.join(90)
        assert not self._thread.is_alive()
        self._client.stop()
        assert self.acknowledged == self.taken
        return self.acknowledged

    _paused = False

    def _publish(self) -> None:
        while not self._enough.is_set():
            self.acknowledged += max(self._client.publish_all(self._until_pause(), timeout_s=60), default=0)
            self._paused = True
            self._go.wait()
            self._paused = False

    def _until_pause(self) -> Iterator[tuple[str, bytes]]:
        while self._go.is_set() and not self._enough.is_set():
            message = next(self._messages, None)
            if message is None:
                self._enough.set()
                return
            self.taken += 1
            if self.taken % 40 == 0:
                self._enough.wait(40 / PER_SECOND)  # a load, not a flood
            yield message


def message(number: int, observed_at: datetime) -> tuple[str, bytes]:
    device = BINS[number % len(BINS)]
    payload = f'{{"observed_at":{to_epoch_us(observed_at) // 1000},"weight_kg":{number}}}'
    return f"kreispuls/v1/marburg/waste_bin/{device}/event/up", payload.encode()


def steady() -> Iterator[tuple[str, bytes]]:
    number = 0
    while True:
        yield message(number, START + timedelta(seconds=number))
        number += 1


@pytest.fixture
def settings(mosquitto: Any, tmp_path: Path) -> Settings:
    mosquitto.autosave_changes = 100_000
    made = Settings(_env_file=None, data_dir=tmp_path / "data", mqtt_url=mosquitto.url, ingest_metrics_port=0)
    state = open_state(made.state_url)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    state.devices.put_many([Device(device_id=name, device_type="waste_bin", municipality="marburg") for name in BINS])
    state.close()
    return made


@pytest.fixture
def readings(settings: Settings) -> Iterator[ReadingStore]:
    store = open_readings(settings)
    yield store
    store.close()


@pytest.fixture
def ingest(settings: Settings, wait_until: Wait) -> Iterator[Ingest]:
    """Ingest, started once and subscribed: the broker keeps from now on what it is not there to take."""
    seen: list[Message] = []
    watcher = MqttClient(settings.mqtt_url, "watcher", filters=["kreispuls/v1/_platform/#"], on_message=seen.append)
    watcher.start()
    watcher.wait_connected(10)
    made = Ingest(settings, wait_until)
    try:
        made.start()
        wait_until(lambda: any(message.payload == b"online" for message in seen), "ingest is online", 60)
        watcher.stop()
        yield made
    finally:
        made.end()


def count(readings: ReadingStore) -> int:
    every = timedelta(days=36_000)
    totals = [readings.series(name, ["weight_kg"], *SPAN, every=every, aggregate=Aggregate.COUNT) for name in BINS]
    return sum(int(item.value) for found in totals for item in found)


def numbers(readings: ReadingStore) -> list[int]:
    return sorted(int(item.value) for name in BINS for item in readings.series(name, ["weight_kg"], *SPAN))


def test_ingest_is_killed_twenty_times_under_load(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait
) -> None:
    """Half of the kills come a random time after the start, often before it is ready; half in its work."""
    chance = random.Random(SEED)
    devices = Devices(settings.mqtt_url, steady())
    for kill in range(KILLS):
        at_most_s = 0.5
        if kill % 2:
            before = count(readings)
            wait_until(lambda before=before: count(readings) > before, "more is stored", 60)
            at_most_s = 0.05
        threading.Event().wait(chance.uniform(0, at_most_s))  # the random moment; nothing is expected of it
        ingest.kill()
        ingest.start()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored", 90)
    assert numbers(readings) == list(range(acknowledged))


def test_the_broker_is_killed_and_comes_back_with_what_it_had_saved(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait, mosquitto: Any
) -> None:
    """SIGKILL of Mosquitto while it holds messages for an ingest that has stopped answering.

    Mosquitto acknowledges a QoS 1 message before it writes its database, so what it acknowledged since its last save is
    lost with a SIGKILL; nobody behind the broker can promise it. So the devices fall silent, the broker is told to save
    (SIGUSR1) and only then killed: what they had been acknowledged is in its database. It has forgotten what ingest
    acknowledged after the save, sends it again, and it must not be stored twice.
    """
    chance = random.Random(SEED)
    database = mosquitto.folder / "mosquitto.db"
    devices = Devices(settings.mqtt_url, steady())
    for _ in range(3):
        before = count(readings)
        wait_until(lambda before=before: count(readings) > before, "ingest stores", 60)
        if chance.random() < 0.7:
            ingest.send(signal.SIGSTOP)  # what comes now waits at the broker
        said = devices.taken
        wait_until(lambda said=said: devices.taken > said + 100, "more is said", 60)
        devices.pause(wait_until)
        saved = database.stat().st_ino if database.exists() else 0
        mosquitto.process.send_signal(signal.SIGUSR1)
        wait_until(lambda saved=saved: database.exists() and database.stat().st_ino != saved, "the broker has saved")
        threading.Event().wait(chance.uniform(0, 0.2))
        mosquitto.process.kill()
        mosquitto.process.wait()
        mosquitto.start()
        ingest.send(signal.SIGCONT)
        devices.resume()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored", 90)
    assert numbers(readings) == list(range(acknowledged))


def test_the_broker_is_stopped_and_started_under_load(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait, mosquitto: Any
) -> None:
    """SIGTERM, upon which Mosquitto saves, while devices publish; ingest is killed meanwhile, too."""
    chance = random.Random(SEED)
    devices = Devices(settings.mqtt_url, steady())
    for _ in range(3):
        said = devices.taken
        wait_until(lambda said=said: devices.taken > said + 300, "more is said", 60)
        threading.Event().wait(chance.uniform(0, 0.3))
        mosquitto.stop()
        if chance.random() < 0.5:
            ingest.kill()
            ingest.start()
        mosquitto.start()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored", 90)
    assert numbers(readings) == list(range(acknowledged))


def test_the_clock_of_a_device_jumps(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait
) -> None:
    """Clocks jump years back and minutes ahead and return, while ingest is killed.

    What is more than five minutes ahead is no reading but a rejected message, kept once or (after a kill) more often.
    Two readings of a device at one instant would be one reading, so no clock here shows an instant twice.
    """
    chance = random.Random(SEED)
    now = utc_now().replace(microsecond=0)
    jumps = [timedelta(days=-3000), timedelta(days=-1), timedelta(hours=-1), timedelta(0), timedelta(minutes=4)]
    observed: dict[int, datetime] = {}
    ahead: set[int] = set()

    def jumping() -> Iterator[tuple[str, bytes]]:
        jump = timedelta(0)
        for number in range(4000):
            if chance.random() < 0.05:
                jump = chance.choice(jumps)
            observed[number] = now + jump - timedelta(milliseconds=number)
            if chance.random() < 0.02:
                observed[number] = now + timedelta(days=1)
                ahead.add(number)
            yield message(number, observed[number])

    devices = Devices(settings.mqtt_url, jumping())
    for _ in range(3):
        before = count(readings)
        wait_until(lambda before=before: count(readings) > before, "more is stored", 60)
        ingest.kill()
        ingest.start()
    wait_until(lambda: len(observed) == 4000, "all is said", 60)
    acknowledged = devices.finish()
    assert acknowledged == 4000
    wait_until(lambda: count(readings) >= acknowledged - len(ahead), "all are stored", 90)
    assert numbers(readings) == sorted(observed.keys() - ahead)
    for name in BINS:
        own = {
            number: at for number, at in observed.items() if BINS[number % len(BINS)] == name and number not in ahead
        }
        series = readings.series(name, ["weight_kg"], *SPAN)
        assert [(int(item.value), item.observed_at) for item in series] == sorted(own.items(), key=lambda each: each[1])
        newest = max(own, key=lambda number: own[number])
        assert [item.value for item in readings.latest(device_ids=[name])] == [newest]

    def rejected() -> set[int]:
        state = open_state(settings.state_url)
        page = state.rejected.page(RejectedFilter(), 1000).items
        state.close()
        assert {each.reason for each in page} <= {"observed_at: more than 5 minutes in the future"}
        return {int(each.payload.split(b":")[-1].rstrip(b"}")) for each in page}

    wait_until(lambda: rejected() == ahead, "what was ahead is kept as rejected")
