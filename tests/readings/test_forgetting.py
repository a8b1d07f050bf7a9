"""The sentences of ReadingStore about forgetting one quantity, and the retention that uses them."""

import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import StorageError
from core.quantity import Value
from core.reading import Aggregate, GroupBy, Reading
from core.settings import Settings
from readings.forgetting import forget_due
from readings.influx.line_protocol import encode_lines
from readings.influx.store import InfluxReadings
from readings.open import open_readings
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def lamp(at: datetime, device_id: str = "lamp-1", municipality: str = "marburg", **values: Value) -> Reading:
    return Reading(device_id, "streetlight", municipality, at, at, values)


def kept(store: ReadingStore, device_id: str = "lamp-1") -> list[tuple[float, str, Value]]:
    found = store.series(device_id, None, *ALWAYS)
    return [((one.observed_at - NOON) / HOUR, one.quantity, one.value) for one in found]


def presences(store: ReadingStore) -> dict[str, int]:
    totals = store.totals(
        "presence", *ALWAYS, group_by=GroupBy.MUNICIPALITY, every=24 * HOUR, aggregate=Aggregate.COUNT
    )
    return {total.group: total.count for total in totals}


def fill(store: ReadingStore) -> None:
    store.write([lamp(NOON, presence=True, dim_level=0.2), lamp(NOON + HOUR, presence=False)])
    store.write([lamp(NOON, "lamp-2", "zoo", presence=True), lamp(NOON, "lamp-3", "wetter", presence=True)])


def test_values_of_one_quantity_go_and_all_else_stays(reading_store: ReadingStore) -> None:
    fill(reading_store)
    reading_store.forget("presence", NOON + timedelta(microseconds=1))
    assert kept(reading_store) == [(0.0, "dim_level", 0.2), (1.0, "presence", False)]
    assert presences(reading_store) == {"marburg": 1}
    newest = [(one.device_id, one.quantity, one.value) for one in reading_store.latest()]
    assert newest == [("lamp-1", "dim_level", 0.2), ("lamp-1", "presence", False)]


def test_the_instant_itself_stays(reading_store: ReadingStore) -> None:
    fill(reading_store)
    reading_store.forget("presence", NOON)
    assert presences(reading_store) == {"marburg": 2, "wetter": 1, "zoo": 1}


def test_of_one_municipality(reading_store: ReadingStore) -> None:
    fill(reading_store)
    reading_store.forget("presence", NOON + 2 * HOUR, municipality="zoo")
    assert presences(reading_store) == {"marburg": 2, "wetter": 1}
    reading_store.forget("presence", NOON + 2 * HOUR, municipality='x" OR municipality="marburg')
    reading_store.forget("presence", NOON + 2 * HOUR, municipality="marburg", spared=["marburg"])
    assert presences(reading_store) == {"marburg": 2, "wetter": 1}


def test_of_all_but_the_spared(reading_store: ReadingStore) -> None:
    fill(reading_store)
    reading_store.forget("presence", NOON + 2 * HOUR, spared=["zoo", "wetter", "nowhere"])
    assert presences(reading_store) == {"wetter": 1, "zoo": 1}
    assert kept(reading_store) == [(0.0, "dim_level", 0.2)]


def test_what_is_written_afterwards_counts(reading_store: ReadingStore) -> None:
    fill(reading_store)
    for _ in range(2):
        reading_store.forget("presence", NOON + 2 * HOUR)
    reading_store.write([lamp(NOON, presence=False)])
    assert kept(reading_store) == [(0.0, "dim_level", 0.2), (0.0, "presence", False)]


def test_a_quantity_that_nobody_said(reading_store: ReadingStore) -> None:
    fill(reading_store)
    for quantity in ("lid_open", 'presence" OR quantity="x', "steps"):
        reading_store.forget(quantity, NOON + 2 * HOUR)
    assert presences(reading_store) == {"marburg": 2, "wetter": 1, "zoo": 1}


def test_a_deleted_device_is_nowhere(reading_store: ReadingStore) -> None:
    fill(reading_store)
    reading_store.delete(device_id="lamp-1")
    assert kept(reading_store) == []
    assert presences(reading_store) == {"wetter": 1, "zoo": 1}


@pytest.mark.parametrize("backend", ["sqlite", "influxdb"])
def test_retention_is_that_of_the_settings(backend: str, request: pytest.FixtureRequest, tmp_path: Any) -> None:
    """Presence goes after 48 hours without any setting; other quantities and one municipality as set."""
    chosen: dict[str, Any] = {"readings_url": f"sqlite:///{tmp_path / 'readings.db'}"}
    if backend == "influxdb":
        server = request.getfixturevalue("influxdb_server")
        chosen = {
            "readings_url": "influxdb://",
            "influxdb_url": server.url,
            "influxdb_token": server.token,
            "influxdb_org": server.org,
            "influxdb_bucket": f"test-{uuid.uuid4().hex}",
        }
    settings = Settings(**chosen, retention_hours="temperature_c=10,zoo/presence=72", _env_file=None)
    now = NOON
    with closing(open_readings(settings)) as store:
        for hours in (1, 9.5, 46.5, 47.5, 70, 72.5):
            for town in ("marburg", "zoo"):
                at = now - hours * HOUR
                store.write([lamp(at, f"lamp-{town}", town, presence=True, temperature_c=4.0, voltage_v=230.0)])
        forget_due(settings, store, now)

        def ages(quantity: str, town: str) -> list[float]:
            found = store.series(f"lamp-{town}", [quantity], *ALWAYS)
            return [round((now - one.observed_at) / HOUR, 1) for one in found]

        assert ages("presence", "marburg") == [46.5, 9.5, 1]
        assert ages("presence", "zoo") == [70, 47.5, 46.5, 9.5, 1]
        assert ages("temperature_c", "marburg") == [1]
        assert ages("voltage_v", "zoo") == [72.5, 70, 47.5, 46.5, 9.5, 1]


def test_influxdb_says_what_it_cannot_delete_and_forgets_the_rest(influx_readings: InfluxReadings) -> None:
    """Points written while a quantity was not kept apart hold other values too."""
    fill(influx_readings)
    influx_readings.write_lines(list(encode_lines([lamp(NOON, "old", "kirchhain", presence=True, dim_level=0.1)])))
    with pytest.raises(StorageError, match=r"presence before 2026-03-01 14:00 UTC stays in kirchhain"):
        influx_readings.forget("presence", NOON + 2 * HOUR)
    assert presences(influx_readings) == {"kirchhain": 1}
    influx_readings.forget("presence", NOON + 2 * HOUR, municipality="marburg")
    influx_readings.forget("presence", NOON + 2 * HOUR, spared=["kirchhain"])
    influx_readings.forget("presence", NOON)


def test_one_retention_that_cannot_be_kept_does_not_stop_the_others(influx_readings: InfluxReadings) -> None:
    influx_readings.write([lamp(NOON, presence=True, active_power_w=5.0)])
    settings = Settings(retention_hours="active_power_w=1", _env_file=None)
    with pytest.raises(StorageError, match="active_power_w"):
        forget_due(settings, influx_readings, NOON + 72 * HOUR)
    assert kept(influx_readings) == [(0.0, "active_power_w", 5.0)]


def test_sqlite_keeps_no_row_without_values(sqlite_readings: SqliteReadings) -> None:
    sqlite_readings.write([lamp(NOON, presence=True)])
    sqlite_readings.forget("presence", NOON + HOUR)
    assert sqlite_readings._file.select("SELECT count(*) FROM readings_streetlight", {}) == [(0,)]
