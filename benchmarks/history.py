"""History that grows: queries and bytes per value at several ages, on SQLite.

Bins say five values every hour, lamps five every fifteen minutes; written through `write`, rolled up after each
measured month. The last line of output is one JSON object. The full size of the issue: --bins 5000 --months 12.
"""

import argparse
import json
import os
import platform
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.reading import Aggregate, Reading
from storage.backends.sqlite import SqliteReadings
from storage.readings import GroupBy

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONTH = 30 * DAY
VALUES = 5
BATCH = 2_000
REPEAT = 5
MUNICIPALITIES = 22
MEASURED_MONTHS = (1, 3, 6, 12)


def main() -> None:
    """Grow, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bins", type=int, default=200)
    parser.add_argument("--lamps", type=int, default=0)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--folder", type=Path, help="where the file is made; default: the system's temporary folder")
    options = parser.parse_args()
    sizes: list[dict[str, object]] = []
    written = 0
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-", dir=options.folder) as folder:
        path = Path(folder) / "readings.db"
        with closing(SqliteReadings(str(path))) as store:
            for month in range(options.months):
                began = time.perf_counter()
                readings = write_month(store, options, START + month * MONTH)
                write_s = time.perf_counter() - began
                written += readings
                if month + 1 not in (*MEASURED_MONTHS, options.months):
                    continue
                size = measure(store, path, options, START + (month + 1) * MONTH)
                size |= {
                    "months": month + 1,
                    "readings": written,
                    "values": written * VALUES,
                    "written_per_s": round(readings / write_s),
                    "bytes_per_value_with_rollups": round(path.stat().st_size / (written * VALUES), 1),
                }
                sizes.append(size)
                print(json.dumps(size), flush=True)
    for name in sizes[0]:
        print(f"{name:34}" + "".join(f"{size[name]!s:>14}" for size in sizes))
    figures = {
        "benchmark": "history",
        "bins": options.bins,
        "lamps": options.lamps,
        "sizes": sizes,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"sqlite": sqlite3.sqlite_version},
    }
    print(json.dumps(figures))


def write_month(store: SqliteReadings, options: argparse.Namespace, start: datetime) -> int:
    """Oldest first, in batches; how many."""
    count = 0
    batch: list[Reading] = []
    for reading in month_of(options, start):
        batch.append(reading)
        count += 1
        if len(batch) == BATCH:
            store.write(batch)
            batch = []
    store.write(batch)
    return count


def month_of(options: argparse.Namespace, start: datetime) -> Iterator[Reading]:
    """What the fleet says in a month; the same on every run."""
    draw = random.Random(start.toordinal())
    for tick in range(30 * 24 * 4):
        at = start + tick * HOUR / 4
        for number in range(options.lamps):
            values = {
                "dim_level": round(draw.random(), 2),
                "active_power_w": round(80 * draw.random(), 1),
                "voltage_v": 230.1,
                "active_energy_kwh": round(100 + tick * 0.01 + number, 3),
                "temperature_c": round(20 * draw.random(), 1),
            }
            town = f"town-{number % MUNICIPALITIES:02d}"
            yield Reading(f"lamp-{number:05d}", "streetlight", town, at, at, values)
        for number in range(options.bins if tick % 4 == 0 else 0):
            values = {
                "filling_level": round(draw.random(), 3),
                "distance_m": round(draw.random(), 3),
                "temperature_c": round(20 * draw.random(), 1),
                "battery_v": 3.6,
                "rssi_dbm": -float(draw.randrange(60, 120)),
            }
            yield Reading(f"bin-{number:05d}", "waste_bin", f"town-{number % MUNICIPALITIES:02d}", at, at, values)


def measure(store: SqliteReadings, path: Path, options: argparse.Namespace, end: datetime) -> dict[str, object]:
    """Roll up, then ask; half-hourly totals come from the readings."""
    device_id, quantity = ("bin-00007", "filling_level") if options.bins else ("lamp-00007", "dim_level")
    began = time.perf_counter()
    while not store.roll_up(end + DAY, within=timedelta(minutes=10)):
        pass
    rolled_s = time.perf_counter() - began

    def totals(every: timedelta, start: datetime = end - MONTH) -> list[object]:
        return list(store.totals(quantity, start, end, group_by=GroupBy.MUNICIPALITY, every=every))

    def daily(start: datetime) -> list[object]:
        return list(store.series(device_id, [quantity], start, end, every=DAY, aggregate=Aggregate.TIME_WEIGHTED_MEAN))

    return {
        "roll_up_s": round(rolled_s, 1),
        "week_raw_ms": milliseconds(lambda: list(store.series(device_id, None, end - 7 * DAY, end))),
        "week_hourly_ms": milliseconds(
            lambda: list(store.series(device_id, [quantity], end - 7 * DAY, end, every=HOUR))
        ),
        "all_daily_time_weighted_ms": milliseconds(lambda: daily(START)),
        "month_totals_daily_ms": milliseconds(lambda: totals(DAY)),
        "month_totals_hourly_ms": milliseconds(lambda: totals(HOUR)),
        "month_totals_from_readings_ms": milliseconds(lambda: totals(HOUR / 2)),
        "latest_municipality_ms": milliseconds(lambda: list(store.latest(municipality="town-07"))),
        "latest_all_ms": milliseconds(lambda: list(store.latest())),
        "file_mb": round(path.stat().st_size / 1e6, 1),
    }


def milliseconds(call: Callable[[], list[object]]) -> float:
    """Median of some calls, of which each must find something."""
    times: list[float] = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        if not call():
            raise AssertionError("a measured query found nothing")
        times.append((time.perf_counter() - began) * 1000)
    return round(sorted(times)[REPEAT // 2], 1)


if __name__ == "__main__":
    main()
