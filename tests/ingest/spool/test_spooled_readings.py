"""Store and spool together: SQLite, held up by a lock."""

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from influxdb_client import InfluxDBClient

from core.errors import StorageError, StorageUnavailableError
from core.reading import Reading
from ingest.spool.spool import Spool
from ingest.spool.spooled_readings import PATIENCE_S, SpooledReadings
from readings.influx.store import InfluxReadings
from readings.sqlite.store import SqliteReadings

Wait = Callable[..., Any]
START = datetime(2026, 1, 1, tzinfo=UTC)


def reading(number: int, **values: float | str) -> Reading:
    at = START + timedelta(seconds=number)
    return Reading("b1", "waste_bin", "marburg", at, at, values or {"weight_kg": float(number)})


class Bench:
    """A store, a spool of so many bytes before it, and what the store refused."""

    def __init__(self, folder: Path, max_bytes: int = 1_000_000) -> None:
        self.path = folder / "readings.db"
        self.store = SqliteReadings(str(self.path))
        self.spool = Spool(folder / "spool", max_bytes)
        self.refused: list[tuple[Reading, str]] = []
        self.erased: dict[str, datetime] = {}
        self.kept = SpooledReadings(
            self.store,
            self.spool,
            reject=lambda *refused: self.refused.append(refused),
            erased=lambda: self.erased,
        )

    def locked(self) -> Any:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        return closing(connection)

    def stored(self) -> list[int]:
        found = self.store.series("b1", ["weight_kg"], START, START + timedelta(days=1))
        return [int(item.value) for item in found]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(max_bytes: int = 1_000_000) -> Bench:
        bench = Bench(tmp_path, max_bytes)
        bench.kept.start()
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.kept.stop()
        bench.store.close()


def test_a_store_that_answers_gets_all_at_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.kept.write([reading(1), reading(2)])
    assert bench.stored() == [1, 2]
    assert bench.spool.empty


def test_what_is_overwritten_is_overwritten_in_order(make_bench: Callable[..., Bench], wait_until: Wait) -> None:
    bench = make_bench()
    with bench.locked():
        for value in range(5):
            bench.kept.write([reading(0, weight_kg=float(value))])
    bench.kept.write([reading(0, weight_kg=5.0)])
    wait_until(lambda: bench.spool.empty, "the spool is empty", 30)
    assert bench.stored() == [5]


def test_what_was_erased_while_it_waited_does_not_come_back(make_bench: Callable[..., Bench], wait_until: Wait) -> None:
    """Received until the deletion: nothing. Received after it, from a device of the same name: all."""
    bench = make_bench()
    with bench.locked():
        bench.kept.write([reading(1), reading(2), replace(reading(2), device_id="b2"), reading(3)])
        bench.erased["b1"] = START + timedelta(seconds=2.5)
    wait_until(lambda: bench.spool.empty, "the spool is empty", 30)
    assert bench.stored() == [3]
    assert [item.device_id for item in bench.store.latest()] == ["b1", "b2"]


def test_a_full_spool_refuses_and_takes_again_when_the_store_is_back(
    make_bench: Callable[..., Bench], wait_until: Wait
) -> None:
    bench = make_bench(max_bytes=150)  # one reading, and not two
    with bench.locked():
        bench.kept.write([reading(1)])
        bench.kept.write([reading(2)])
        with pytest.raises(StorageUnavailableError, match="full"):
            bench.kept.write([reading(3)])
    wait_until(lambda: bench.spool.empty, "the spool is empty", 30)
    bench.kept.write([reading(3)])
    assert bench.stored() == [1, 2, 3]


def test_a_batch_larger_than_the_spool_waits_for_a_slow_store(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_bytes=0)
    connection = sqlite3.connect(bench.path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    slow = threading.Timer(2 * PATIENCE_S, connection.close)
    slow.start()
    bench.kept.write([reading(1)])
    assert bench.stored() == [1]
    slow.join()


def test_a_refusal_is_passed_on_at_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    with pytest.raises(StorageError, match="inclination"):
        bench.kept.write([reading(1), reading(2, inclination_furlongs=1.0)])
    assert bench.spool.empty


def test_a_refusal_while_draining_costs_the_others_nothing(make_bench: Callable[..., Bench], wait_until: Wait) -> None:
    bench = make_bench()
    wrong = reading(2, inclination_furlongs=1.0)
    with bench.locked():
        bench.kept.write([reading(0)])
        bench.kept.write([reading(1), wrong, reading(3)])
    wait_until(lambda: bench.spool.empty, "the spool is empty", 30)
    assert bench.stored() == [0, 1, 3]
    assert [refused for refused, _ in bench.refused] == [wrong]
    assert "inclination_furlongs" in bench.refused[0][1]


def test_a_bucket_that_is_missing_is_no_fault_of_the_readings(
    influxdb_server: Any, tmp_path: Path, wait_until: Wait
) -> None:
    server = {"url": influxdb_server.url, "token": influxdb_server.token, "org": influxdb_server.org}
    name = f"spool-{secrets.token_hex(4)}"
    refused: list[Reading] = []
    with closing(InfluxReadings(**server, bucket=name)) as store, InfluxDBClient(**server) as admin:
        buckets = admin.buckets_api()
        spool = Spool(tmp_path / "spool", 1_000_000)
        kept = SpooledReadings(store, spool, reject=lambda reading, _: refused.append(reading), erased=dict)
        kept.start()
        buckets.delete_bucket(buckets.find_bucket_by_name(name))
        kept.write([reading(1), reading(2)])
        assert not spool.empty
        buckets.create_bucket(bucket_name=name)
        wait_until(lambda: spool.empty, "the spool is empty", 30)
        kept.stop()
        found = store.series("b1", ["weight_kg"], START, START + timedelta(days=1))
    assert [item.value for item in found] == [1, 2]
    assert refused == []
