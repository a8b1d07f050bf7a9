"""A load of numbered readings of four bins, an ingest that is started and killed quickly, and what is stored of them.

Ingest is a real process, forked from one that has imported the program already, so that it is killed more often in its
work than in its imports.
"""

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from core.clock import to_epoch_us, utc_now
from core.device import Device, Municipality
from core.reading import Aggregate
from core.settings import Settings, environment_name
from mqtt.client import MqttClient
from readings.store import ReadingStore
from state.state import State

Wait = Callable[..., Any]
BINS = [f"b{number}" for number in range(4)]
START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = START - timedelta(days=3650), utc_now() + timedelta(days=1)
PER_SECOND = 4000

INGEST = """
import os, select, signal, sys, threading, time
if "FAKETIME_TIMESTAMP_FILE" in os.environ:  # libfaketime 0.9.10 breaks clock_nanosleep with an absolute time
    time.sleep = lambda seconds: select.select([], [], [], seconds)
import ingest.keeping.process  # once for all starts
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
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        run(settings, stop)
    finally:
        os._exit(status)
"""


class Ingest:
    """Starts ingest as often as it is told to; never two at a time."""

    def __init__(self, settings: Settings, wait_until: Wait, environment: Mapping[str, str] | None = None) -> None:
        changed = settings.model_dump(include=settings.model_fields_set)
        chosen = {environment_name(name): str(value) for name, value in changed.items()}
        secret = {"INFLUXDB_V2_TOKEN": settings.influxdb_token.get_secret_value(), "KREISPULS_LOG_LEVEL": "error"}
        root = Path(__file__).parents[2]
        self._parent = subprocess.Popen(
            [sys.executable, "-c", INGEST], cwd=root, env={**os.environ, **chosen, **secret, **(environment or {})},
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._wait_until = wait_until
        self._process: int | None = None
        assert self._line() == "ready"
        self._metrics = f"http://127.0.0.1:{settings.ingest_metrics_port}/metrics"

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
        processes = [Path(f"/proc/{self._process}")]
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process).children(recursive=True)
            processes += [Path(f"/proc/{child.pid}") for child in children]
        with suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        self._wait_until(lambda: not any(map(_runs, processes)), "ingest is gone, and its second process")
        self._process = None

    def stop(self) -> None:
        """End it in order; that it does end."""
        self.send(signal.SIGTERM)
        gone = Path(f"/proc/{self._process}")
        self._wait_until(lambda: not gone.exists(), "ingest has ended", 30)
        self._process = None

    def metric(self, name: str) -> float:
        """A metric of the running ingest; -1 while it does not serve them yet."""
        try:
            with urllib.request.urlopen(self._metrics, timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def end(self) -> None:
        self.kill()
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(20)

    def _line(self) -> str:
        assert self._parent.stdout is not None
        return str(self._parent.stdout.readline()).strip()


def _runs(process: Path) -> bool:
    try:
        return "State:\tZ" not in (process / "status").read_text()
    except OSError:
        return False


class Devices:
    """Bins that number their readings, all over one connection; `acknowledged` of them are safe with the broker."""

    def __init__(
        self, url: str, messages: Iterator[tuple[str, bytes]], *, name: str = "devices", per_second: int = PER_SECOND
    ) -> None:
        self._per_second = per_second
        self._client = MqttClient(url, name)
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
                self._enough.wait(40 / self._per_second)  # a load, not a flood
            yield message


def message(number: int, observed_at: datetime) -> tuple[str, bytes]:
    device = BINS[number % len(BINS)]
    payload = f'{{"observed_at":{to_epoch_us(observed_at) // 1000},"weight_kg":{number}}}'
    return f"kreispuls/v1/marburg/waste_bin/{device}/event/up", payload.encode()


def register_bins(state: State) -> None:
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    state.devices.put_many([Device(device_id=name, device_type="waste_bin", municipality="marburg") for name in BINS])


def undated(number: int) -> tuple[str, bytes]:
    """It is observed when it is received, whenever that is."""
    topic, _ = message(number, START)
    return topic, f'{{"weight_kg":{number}}}'.encode()


def steady() -> Iterator[tuple[str, bytes]]:
    number = 0
    while True:
        yield message(number, START + timedelta(seconds=number))
        number += 1


def count(readings: ReadingStore) -> int:
    every = timedelta(days=36_000)
    totals = [readings.series(name, ["weight_kg"], *SPAN, every=every, aggregate=Aggregate.COUNT) for name in BINS]
    return sum(int(item.value) for found in totals for item in found)


def numbers(readings: ReadingStore) -> list[int]:
    return sorted(int(item.value) for name in BINS for item in readings.series(name, ["weight_kg"], *SPAN))
