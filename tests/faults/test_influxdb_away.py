"""A real InfluxDB is away for a minute under load: one killed, one frozen, which takes requests and answers none."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from core.settings import Settings
from readings.open import open_readings
from state.state import open_state
from tests.conftest import Influxd, a_free_port
from tests.faults.bins import Devices, Ingest, count, numbers, register_bins, steady

Wait = Callable[..., Any]
AWAY_S = 60
PER_SECOND = 400


@contextmanager
def running(folder: Path) -> Iterator[Influxd]:
    folder.mkdir()
    server = Influxd(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def killed(server: Influxd) -> Callable[[], None]:
    server.kill()
    return server.start


def frozen(server: Influxd) -> Callable[[], None]:
    process = server.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    return lambda: process.send_signal(signal.SIGCONT)


def a_minute_without(
    take_away: Callable[[Influxd], Callable[[], None]], broker_url: str, folder: Path, wait_until: Wait
) -> tuple[int, list[int], float]:
    """How many readings were acknowledged, the numbers of those that are stored, and how many had been spooled."""
    name = take_away.__name__
    with running(folder / name) as server:
        settings = Settings(
            _env_file=None, data_dir=folder / name / "data", mqtt_url=broker_url, ingest_metrics_port=a_free_port(),
            mqtt_topic_root=name, mqtt_client_id=name, readings_url="influxdb://", influxdb_url=server.server.url,
            influxdb_token=server.server.token, influxdb_org=server.server.org,
        )  # fmt: skip
        with closing(open_state(settings.state_url)) as state:
            register_bins(state)
        said = ((topic.replace("kreispuls/v1", name), payload) for topic, payload in steady())
        ingest = Ingest(settings, wait_until)
        try:
            ingest.start()
            wait_until(lambda: ingest.metric("kreispuls_broker_connected") == 1, "ingest is connected")
            devices = Devices(broker_url, said, name=f"devices of {name}", per_second=PER_SECOND)
            wait_until(lambda: ingest.metric("kreispuls_readings_stored_total") > PER_SECOND, "readings are stored")
            give_back = take_away(server)
            over_s = time.monotonic() + AWAY_S
            wait_until(lambda: time.monotonic() > over_s, "a minute is over", AWAY_S + 10)
            spooled = ingest.metric("kreispuls_readings_spooled_total")
            assert ingest.metric("kreispuls_messages_waiting") < PER_SECOND * 5, "acknowledging went on"
            give_back()
            acknowledged = devices.finish()
            wait_until(lambda: ingest.metric("kreispuls_spool_bytes") == 0, "the spool is empty")
            with closing(open_readings(settings)) as readings:
                wait_until(lambda: count(readings) >= acknowledged, "all are stored")
                return acknowledged, numbers(readings), spooled
        finally:
            ingest.kill()


def test_for_a_minute_under_load(mosquitto: Any, tmp_path: Path, wait_until: Wait) -> None:
    """Both side by side, with an ingest and an InfluxDB each."""
    with ThreadPoolExecutor(2) as threads:
        waiting = [
            threads.submit(a_minute_without, take_away, mosquitto.url, tmp_path, wait_until)
            for take_away in (killed, frozen)
        ]
        for each in waiting:
            acknowledged, stored, spooled = each.result()
            assert stored == list(range(acknowledged))
            assert spooled > AWAY_S * PER_SECOND / 4
