"""A load of numbered readings of four bins, an ingest that is started and killed often, and what is stored of them."""

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from core.clock import to_epoch_us, utc_now
from core.device import Device, Municipality
from core.reading import Aggregate
from core.settings import Settings
from mqtt.client import MqttClient
from readings.store import ReadingStore
from state.state import State
from tests.faults.program import Program, Running, environment_of, kill, metric_of
from tests.patience import PATIENCE_S

Wait = Callable[..., Any]
BINS = [f"b{number}" for number in range(4)]
START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = START - timedelta(days=3650), utc_now() + timedelta(days=1)
PER_SECOND = 4000
MOST_WAITING = 20_000
"""More do not wait to be stored: the broker says all of them again to each ingest that starts, however slow that is."""


class Ingest:
    """Starts ingest as often as it is told to; never two at a time.

    Args:
        launch: starts it with an environment.
    """

    def __init__(
        self, settings: Settings, wait_until: Wait, launch: Callable[[dict[str, str]], Running] | None = None
    ) -> None:
        self._settings = settings
        self._launch = launch or (lambda environment: Program("ingest", environment=environment))
        self._environment = environment_of(settings) | {"KREISPULS_LOG_LEVEL": "error"}
        self._wait_until = wait_until
        self._process: Running | None = None

    def start(self) -> None:
        assert self._process is None
        self._process = self._launch(self._environment)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it if it runs."""
        if self._process is not None:
            kill(self._process)
        self._process = None

    def stop(self) -> None:
        """End it in order; that it does end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE_S) == 0
        self._process = None

    def metric(self, name: str) -> float:
        """A metric of the running ingest; -1 while it does not serve them yet."""
        try:
            return metric_of(self._settings, name)
        except OSError:
            return -1


class Devices:
    """Bins that number their readings, all over one connection; `acknowledged` of them are safe with the broker.

    Args:
        stored: how many of them are stored, for a load that goes on while ingest is killed again and again.
    """

    def __init__(
        self,
        url: str,
        messages: Iterator[tuple[str, bytes]],
        *,
        name: str = "devices",
        per_second: int = PER_SECOND,
        stored: Callable[[], int] | None = None,
    ) -> None:
        self._stored = stored
        self._per_second = per_second
        self._client = MqttClient(url, name)
        self._client.start()
        self._client.wait_connected(PATIENCE_S)
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
        wait_until(lambda: self._paused, "the devices are silent")

    def resume(self) -> None:
        self._go.set()

    def finish(self) -> int:
        """Say nothing more; how many readings the broker has acknowledged, which is all that were said."""
        self._enough.set()
        self._go.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._client.stop()
        assert self.acknowledged == self.taken
        return self.acknowledged

    _paused = False

    def _publish(self) -> None:
        while not self._enough.is_set():
            self.acknowledged += max(self._client.publish_all(self._until_pause(), timeout_s=PATIENCE_S), default=0)
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
            if self.taken % (MOST_WAITING // 2) == 0:
                self._wait_stored()
            yield message

    def _wait_stored(self) -> None:
        while self._stored and self.taken - self._stored() > MOST_WAITING and self._go.is_set():
            if self._enough.wait(0.1):
                return


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
