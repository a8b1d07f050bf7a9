"""Readings: write rate, bytes per value, and times of latest, series and totals, for each backend.

A fleet of lamps that each say eight values every fifteen minutes, written oldest first in batches as ingest does.
InfluxDB is the one of INFLUXDB_V2_URL (_TOKEN, _ORG; without bytes per value), or an `influxd` of PATH in a temporary
folder; without either only SQLite is measured. The last line of output is one JSON object.
"""

import argparse
import json
import os
import platform
import random
import secrets
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import httpx
from influxd import running_influxdb, wait_for_empty_log
from influxdb_client import Point, WritePrecision

from core.reading import Aggregate, GroupBy, Reading
from readings.beside.opened import open_beside
from readings.influx.line_protocol import encode_lines
from readings.influx.store import InfluxReadings
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(minutes=15)
VALUES = 8
HOUR = timedelta(hours=1)
REPEAT = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=100_000)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=1_000)
    options = parser.parse_args()
    readings = fleet(options.devices, options.readings)
    figures: dict[str, object] = {
        "benchmark": "readings",
        "readings": options.readings,
        "values_per_reading": VALUES,
        "devices": options.devices,
        "batch": options.batch,
    }
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as folder:
        figures |= {
            f"sqlite_{name}": figure for name, figure in measure_sqlite(readings, options, Path(folder)).items()
        }
    figures |= {f"influxdb_{name}": figure for name, figure in measure_influxdb(readings, options).items()}
    figures |= line_protocol(readings[:20_000])
    figures |= {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"sqlite": sqlite3.sqlite_version, "influxdb-client": version("influxdb-client")},
    }
    for name, value in figures.items():
        print(f"{name:34} {value}")
    print(json.dumps(figures))


def fleet(devices: int, count: int) -> list[Reading]:
    """Readings oldest first; the same on every run."""
    draw = random.Random(1)
    readings: list[Reading] = []
    for index in range(count):
        number, tick = index % devices, index // devices
        at = START + tick * EVERY + timedelta(seconds=number % 900, microseconds=number)
        values = {
            "presence": draw.randrange(10) == 0,
            "presence_count": tick,
            "dim_level": round(draw.random(), 2),
            "power_state": draw.choice(("on", "low")),
            "active_power_w": round(80 * draw.random(), 1),
            "voltage_v": round(228 + 4 * draw.random(), 1),
            "active_energy_kwh": round(100 + tick * 0.01 + number, 3),
            "temperature_c": round(20 * draw.random(), 1),
        }
        readings.append(Reading(f"lamp-{number:05d}", "streetlight", f"town-{number % 22:02d}", at, at, values))
    return readings


def measure_sqlite(readings: list[Reading], options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All figures of the default backend; the file's size after everything has gone from the log into it."""
    path = folder / "readings.db"
    with closing(SqliteReadings(str(path))) as store:
        figures = measure(store, readings, options)
    return figures | {"bytes_per_value": round(path.stat().st_size / (len(readings) * VALUES), 1)}


def measure_influxdb(readings: list[Reading], options: argparse.Namespace) -> dict[str, object]:
    """All figures of the other backend; bytes of its columns once its log has gone into them."""
    if url := os.environ.get("INFLUXDB_V2_URL"):
        token, org = os.environ.get("INFLUXDB_V2_TOKEN", ""), os.environ.get("INFLUXDB_V2_ORG", "kreispuls")
        return measure_bucket(url, token, org, readings, options)
    influxd = shutil.which("influxd")
    if influxd is None:
        print("no influxd on PATH and no INFLUXDB_V2_URL: only SQLite is measured")
        return {}
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name:
        folder, token = Path(name), secrets.token_urlsafe()
        with running_influxdb(influxd, folder, token) as url:
            figures = measure_bucket(url, token, "bench", readings, options)
            wait_for_empty_log(folder / "engine" / "wal")
        data = sum(file.stat().st_size for file in (folder / "engine" / "data").rglob("*.tsm"))
    return figures | {"bytes_per_value": round(data / (len(readings) * VALUES), 1)}


def measure_bucket(
    url: str, token: str, org: str, readings: list[Reading], options: argparse.Namespace
) -> dict[str, object]:
    """All figures in a new bucket, which is emptied afterwards."""
    answer = httpx.get(f"{url}/health")
    bucket = f"bench-{uuid.uuid4().hex}"
    with (
        tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as folder,
        closing(
            InfluxReadings(
                url=url, token=token, org=org, bucket=bucket, beside=open_beside(f"sqlite:///{folder}/state.db")
            )
        ) as store,
    ):
        figures = measure(store, readings, options)
        if "INFLUXDB_V2_URL" in os.environ:
            store.delete(before=readings[-1].observed_at + timedelta(days=1))
    return {**figures, "version": answer.json().get("version")}


def measure(store: ReadingStore, readings: list[Reading], options: argparse.Namespace) -> dict[str, object]:
    """Write everything, then ask."""
    began, cpu_began = time.perf_counter(), time.process_time()
    for first in range(0, len(readings), options.batch):
        store.write(readings[first : first + options.batch])
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    end = readings[-1].observed_at + EVERY
    device_id = readings[0].device_id
    streets = {reading.device_id: f"street {index // 20}" for index, reading in enumerate(readings[: options.devices])}
    return {
        "readings_per_s": round(len(readings) / seconds),
        "values_per_s": round(len(readings) * VALUES / seconds),
        "our_cpu_us_per_reading": round(cpu_seconds / len(readings) * 1e6, 1),
        "latest_all_ms": milliseconds(store.latest),
        "latest_municipality_ms": milliseconds(lambda: store.latest(municipality="town-07")),
        "latest_device_ms": milliseconds(lambda: store.latest(device_ids=[device_id])),
        "series_raw_ms": milliseconds(lambda: store.series(device_id, None, START, end)),
        "series_hourly_mean_ms": milliseconds(
            lambda: store.series(device_id, ["active_power_w"], START, end, every=HOUR)
        ),
        "series_time_weighted_ms": milliseconds(
            lambda: store.series(
                device_id, ["dim_level"], START, end, every=HOUR, aggregate=Aggregate.TIME_WEIGHTED_MEAN
            )
        ),
        "totals_municipality_hourly_ms": milliseconds(
            lambda: store.totals("active_power_w", START, end, group_by=GroupBy.MUNICIPALITY, every=HOUR)
        ),
        "totals_street_daily_ms": milliseconds(
            lambda: store.totals(
                "active_power_w", START, end, group_by=GroupBy.STREET, every=24 * HOUR, streets=streets
            )
        ),
    }


def milliseconds(call: Callable[[], Sequence[object]]) -> float:
    """Median of some calls, of which each must find something."""
    times: list[float] = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        if not call():
            raise AssertionError("a measured query found nothing")
        times.append((time.perf_counter() - began) * 1000)
    return round(sorted(times)[REPEAT // 2], 1)


def line_protocol(readings: list[Reading]) -> dict[str, object]:
    """Our lines and the client library's, per second: why there is a `line_protocol.py`."""
    began = time.perf_counter()
    ours = list(encode_lines(readings))
    our_seconds = time.perf_counter() - began
    began = time.perf_counter()
    theirs = [point(reading).to_line_protocol() for reading in readings]
    their_seconds = time.perf_counter() - began
    if len(ours) != len(theirs):
        raise AssertionError("the two wrote different numbers of lines")
    return {
        "lines_per_s": round(len(ours) / our_seconds),
        "client_library_lines_per_s": round(len(theirs) / their_seconds),
    }


def point(reading: Reading) -> Point:
    """A reading as the client library has it."""
    made: Point = (
        Point(reading.device_type).tag("device_id", reading.device_id).tag("municipality", reading.municipality)
    )
    for name, value in reading.values.items():
        made = made.field(name, value)
    made.time(reading.observed_at, WritePrecision.US)
    return made


if __name__ == "__main__":
    main()
