"""The clock of ingest's machine is set by hours, forward and back, under load: nothing is lost, twice or rejected."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import format_rfc3339, utc_now
from core.device import Connection
from core.settings import Settings
from mqtt.client import MqttClient
from readings.store import ReadingStore
from state.state import open_state
from tests.faults.bins import START, Devices, Ingest, count, message, numbers, undated
from tests.faults.program import Running
from tests.patience import PATIENCE_S
from tests.required import missing

Wait = Callable[..., Any]


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """What is written here, such as +3h, is added to the wall clock of ingest (libfaketime)."""
    file = tmp_path / "clock"
    file.write_text("+0")
    return file


INGEST = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)  # libfaketime breaks clock_nanosleep until an instant
from cli.main import main
main()
"""


@pytest.fixture
def launch(clock: Path) -> Callable[[dict[str, str]], Running]:
    """An interpreter of its own that has loaded the library."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        missing("libfaketime", "apt-get install libfaketime", "KREISPULS_REQUIRE_LIBFAKETIME")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else a thread that waits for its turn does not wait: all get slow
    }
    return lambda environment: subprocess.Popen([sys.executable, "-P", "-c", INGEST, "ingest"], env=environment | faked)


def timed() -> Iterator[tuple[str, bytes]]:
    """Every other reading says its time, of the last minute and no bin the same twice; the others say none."""
    number = 0
    began_at = utc_now() - timedelta(minutes=1)
    while True:
        if number % 8 < 4:
            topic, _ = message(number, START)
            at = format_rfc3339(began_at + timedelta(microseconds=number))
            yield topic, f'{{"observed_at":"{at}","weight_kg":{number}}}'.encode()
        else:
            yield undated(number)
        number += 1


def test_hours_forward_and_back(
    settings: Settings, readings: ReadingStore, ingest: Ingest, clock: Path, wait_until: Wait
) -> None:
    """Killed while it is ahead, ingest starts with a wrong clock, which is then set right."""
    devices = Devices(settings.mqtt_url, timed(), per_second=500)  # each look at this clock reads a file
    state = open_state(settings.state_url)
    sensor = MqttClient(settings.mqtt_url, "sensor")
    sensor.start()
    sensor.wait_connected(PATIENCE_S)

    def more_is_stored() -> None:
        before = count(readings)
        wait_until(lambda: count(readings) > before + 300, "more is stored")

    def jobs_run(said: Connection) -> None:
        sensor.publish_confirmed(
            "kreispuls/v1/marburg/waste_bin/b0/event/status", said.value.encode(), timeout_s=PATIENCE_S
        )
        wait_until(lambda: state.devices.get("b0").connection is said, "a job has run")

    more_is_stored()
    for offset in ("+3h", "+0", "-3h", "+0"):
        clock.write_text(offset)
        more_is_stored()
        if offset == "+3h":
            ingest.kill()
            ingest.start()
            more_is_stored()
        jobs_run(Connection.ONLINE)
        jobs_run(Connection.OFFLINE)
    acknowledged = devices.finish()
    sensor.stop()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored")
    assert numbers(readings) == list(range(acknowledged))
    with closing(state):
        assert state.rejected.count() == 0
