"""A fresh store of readings per test, on SQLite and on a real InfluxDB 2."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.backends.influxdb import InfluxReadings
from storage.backends.sqlite import SqliteReadings
from storage.readings import ReadingStore


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


@pytest.fixture(params=["sqlite", "influxdb"])
def reading_store(request: pytest.FixtureRequest) -> ReadingStore:
    store: ReadingStore = request.getfixturevalue("sqlite_readings" if request.param == "sqlite" else "influx_readings")
    return store
