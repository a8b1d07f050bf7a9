"""Ingest is started while a store is away: it does not end, and what is published meanwhile is stored once."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from readings.open import open_readings
from state.state import open_state
from tests.faults.bins import Devices, Ingest, count, numbers, register_bins, steady
from tests.postgresql import Postgresql

Wait = Callable[..., Any]


@pytest.fixture
def postgresql() -> Iterator[Postgresql]:
    """Made, not started."""
    server = Postgresql()
    try:
        yield server
    finally:
        server.remove()


@pytest.mark.usefixtures("subscribed")
def test_influxdb_and_postgresql_come_later_than_ingest(  # noqa: PLR0917
    mosquitto: Any, tmp_path: Path, wait_until: Wait, own_influxd: Any, postgresql: Postgresql, free_port: int
) -> None:
    """First PostgreSQL, upon which messages are taken; then InfluxDB, which has not even a bucket yet."""
    own_influxd.kill()
    server = own_influxd.server
    settings = Settings(
        _env_file=None, data_dir=tmp_path / "late", mqtt_url=mosquitto.url, ingest_metrics_port=free_port,
        readings_url="influxdb://", influxdb_url=server.url, influxdb_token=server.token, influxdb_org=server.org,
        state_url=postgresql.url,
    )  # fmt: skip
    devices = Devices(settings.mqtt_url, steady(), per_second=500)  # a busy machine has less to catch up with
    ingest = Ingest(settings, wait_until)
    try:
        ingest.start()
        wait_until(lambda: devices.taken > 1000, "much is said")
        wait_until(lambda: ingest.metric("kreispuls_messages_received_total") == 0, "its metrics are served")
        postgresql.start()
        with closing(open_state(settings.state_url)) as state:
            register_bins(state)
        wait_until(lambda: ingest.metric("kreispuls_readings_spooled_total") > 1000, "readings are spooled")
        ingest.kill()
        ingest.start()
        wait_until(lambda: ingest.metric("kreispuls_readings_spooled_total") > 100, "more are spooled")
        own_influxd.start()
        acknowledged = devices.finish()
        wait_until(lambda: ingest.metric("kreispuls_spool_bytes") == 0, "the spool is empty")
        with closing(open_readings(settings)) as readings:
            wait_until(lambda: count(readings) >= acknowledged, "all are stored")
            assert numbers(readings) == list(range(acknowledged))
    finally:
        ingest.kill()


def test_told_to_stop_while_it_waits_it_stops(
    mosquitto: Any, tmp_path: Path, wait_until: Wait, postgresql: Postgresql, free_port: int
) -> None:
    settings = Settings(
        _env_file=None, data_dir=tmp_path / "late", mqtt_url=mosquitto.url, ingest_metrics_port=free_port,
        state_url=postgresql.url,
    )  # fmt: skip
    ingest = Ingest(settings, wait_until)
    try:
        ingest.start()
        wait_until(lambda: ingest.metric("kreispuls_broker_connected") == 0, "its metrics are served")
        ingest.stop()
    finally:
        ingest.kill()
