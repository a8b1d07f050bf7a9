"""A fresh store of readings per test, on SQLite and on a real InfluxDB 2."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import Settings
from readings.influx.store import InfluxReadings
from readings.open import open_readings
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore


@pytest.fixture
def influx_readings(request: pytest.FixtureRequest) -> Iterator[InfluxReadings]:
    server = request.getfixturevalue("influxdb_server")
    store = InfluxReadings(url=server.url, token=server.token, org=server.org, bucket=f"test-{uuid.uuid4().hex}")
    yield store
    buckets = store._client.buckets_api()
    buckets.delete_bucket(buckets.find_bucket_by_name(store._bucket))
    store.close()


@pytest.fixture
def sqlite_readings(tmp_path: Path) -> Iterator[SqliteReadings]:
    store = SqliteReadings(str(tmp_path / "readings.db"))
    yield store
    store.close()


@pytest.fixture
def influx_readings_as_opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InfluxReadings]:
    """With the newest values kept beside, as the programs have it."""
    server = request.getfixturevalue("influxdb_server")
    settings = Settings(
        readings_url="influxdb://",
        influxdb_url=server.url,
        influxdb_token=server.token,
        influxdb_org=server.org,
        influxdb_bucket=f"test-{uuid.uuid4().hex}",
        data_dir=tmp_path,
        _env_file=None,
    )
    store = open_readings(settings)
    assert isinstance(store, InfluxReadings)
    yield store
    buckets = store._client.buckets_api()
    buckets.delete_bucket(buckets.find_bucket_by_name(store._bucket))
    store.close()


@pytest.fixture(params=["sqlite_readings", "influx_readings", "influx_readings_as_opened"])
def reading_store(request: pytest.FixtureRequest) -> ReadingStore:
    store: ReadingStore = request.getfixturevalue(request.param)
    return store
