"""History that grows: queries and bytes per value after 1, 3, 6 and 12 months, rolled up after each of them.

Bins say five values every hour, as many as those of the simulator; lamps five every fifteen minutes. Written through
`write`, a day at a time, device by device. The last line of output is one JSON object. The default is a small size; the
full one is --bins 5000 --months 12. benchmarks/growth_curve.py draws the result.
"""

import argparse
import fcntl
import json
import math
import os
import platform
import random
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from influxd import running_influxdb, wait_for_empty_log

from core.quantity import Value
from core.reading import Aggregate, GroupBy, Reading
from readings.beside.opened import open_beside
from readings.influx.store import InfluxReadings
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore

START = datetime(2025, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONTH_DAYS = 30
MONTH = MONTH_DAYS * DAY
VALUES = 5
REPEAT = 5
MUNICIPALITIES = 22
MEASURED_MONTHS = (1, 3, 6, 12)
LATE = 1_000
FULL_BINS, FULL_MONTHS = 5_000, 12
READINGS_PER_WRITE = 100_000


def main() -> None:
    """Grow, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("sqlite", "influxdb"), default="sqlite")
    parser.add_argument("--bins", type=int, default=200)
    parser.add_argument("--lamps", type=int, default=0)
    parser.add_argument("--months", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files are made; default: the system's temporary folder")
    parser.add_argument(
        "--lock", type=Path, help="queries are timed while this file is locked, where others measure too"
    )
    options = parser.parse_args()
    small = (
        ""
        if options.bins >= FULL_BINS and options.months >= FULL_MONTHS
        else " (the full size: --bins 5000 --months 12)"
    )
    print(f"{options.backend}, {options.bins} bins, {options.lamps} lamps, {options.months} months{small}", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kreispuls-bench-", dir=options.folder)))
        store, size_of = stack.enter_context(opened(options.backend, folder))
        sizes = grow(store, size_of, options)
    for name in sizes[0]:
        print(f"{name:34}" + "".join(f"{size[name]!s:>14}" for size in sizes))
    figures = {
        "benchmark": "history",
        "backend": options.backend,
        "bins": options.bins,
        "lamps": options.lamps,
        "sizes": sizes,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"sqlite": sqlite3.sqlite_version, "influxdb-client": version("influxdb-client")},
    }
    print(json.dumps(figures))


@contextmanager
def opened(backend: str, folder: Path) -> Iterator[tuple[ReadingStore, Callable[[], int]]]:
    """A new store in a folder, and what tells the bytes that its values take."""
    if backend == "sqlite":
        path = folder / "readings.db"
        with closing(SqliteReadings(str(path))) as rows:
            yield rows, lambda: path.stat().st_size
        return
    influxd = shutil.which("influxd")
    if influxd is None:
        raise SystemExit("no influxd on PATH")
    token = secrets.token_urlsafe()

    def size() -> int:
        wait_for_empty_log(folder / "engine" / "wal")
        columns = sum(file.stat().st_size for file in (folder / "engine" / "data").rglob("*.tsm"))
        return columns + sum(file.stat().st_size for file in folder.glob("state.db*"))

    beside = open_beside(f"sqlite:///{folder / 'state.db'}")
    with (
        running_influxdb(influxd, folder, token) as url,
        closing(InfluxReadings(url=url, token=token, org="bench", bucket="b", beside=beside)) as store,
    ):
        yield store, size


def grow(store: ReadingStore, size_of: Callable[[], int], options: argparse.Namespace) -> list[dict[str, object]]:
    """Write month after month; figures of those that are measured."""
    sizes: list[dict[str, object]] = []
    written = since = 0
    write_s = 0.0
    rolled_bytes = 0
    pool = said()
    for month in range(1, options.months + 1):
        for day in range((month - 1) * MONTH_DAYS, month * MONTH_DAYS):
            for batch in day_of(pool, options, START + day * DAY):
                began = time.perf_counter()
                store.write(batch)
                write_s += time.perf_counter() - began
                since += len(batch)
        if month not in (*MEASURED_MONTHS, options.months):
            continue
        written += since
        end = START + month * MONTH
        before_bytes = size_of()
        rolled_s = roll_up(store, end + DAY)
        rolled_bytes += size_of() - before_bytes
        size: dict[str, object] = {
            "months": month,
            "readings": written,
            "values": written * VALUES,
            "written_per_s": round(since / write_s),
            "rolled_up_per_s": round(since / rolled_s),
            "bytes_per_value": round((size_of() - rolled_bytes) / (written * VALUES), 1),
            "bytes_per_value_with_rollups": round(size_of() / (written * VALUES), 1),
            "mb": round(size_of() / 1e6, 1),
        }
        with locked(options.lock):
            size |= measure(store, options, end)
            size |= measure_late(store, pool, options, end)
        sizes.append(size)
        print(json.dumps(size), flush=True)
        since, write_s = 0, 0.0
    return sizes


@contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """Alone among those who lock the same file."""
    if path is None:
        yield
        return
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def said() -> dict[str, list[dict[str, Value]]]:
    """What a device says in the hours of a week; the same on every run. Devices begin at different places of it."""
    draw = random.Random(1)
    bins: list[dict[str, Value]] = []
    lamps: list[dict[str, Value]] = []
    for hour in range(168):
        level = min(1.0, round(hour / 168 + draw.gauss(0, 0.01) ** 2, 3))
        outdoor = 10 + 6 * math.sin(hour / 24 * math.tau)
        bins.append(
            {
                "filling_level": level,
                "distance_m": round(1.4 - 1.2 * level, 3),
                "temperature_c": round(outdoor + draw.gauss(0, 0.4), 1),
                "battery_v": round(3.6 - hour / 10_000, 2),
                "rssi_dbm": float(round(draw.gauss(-101, 5))),
            }
        )
        dim_level = draw.choice((0.0, 0.2, 0.2, 1.0))
        lamps.append(
            {
                "dim_level": dim_level,
                "active_power_w": round(80 * dim_level + draw.random(), 1),
                "voltage_v": round(draw.gauss(230, 1.5), 1),
                "active_energy_kwh": round(100 + hour * 0.01, 3),
                "temperature_c": round(outdoor + draw.gauss(0, 0.4), 1),
            }
        )
    return {"waste_bin": bins, "streetlight": lamps}


def day_of(
    pool: dict[str, list[dict[str, Value]]], options: argparse.Namespace, start: datetime
) -> Iterator[Sequence[Reading]]:
    """What the fleet says in a day, in batches."""
    batch: list[Reading] = []
    for device_type, name, count, every in (
        ("waste_bin", "bin", options.bins, HOUR),
        ("streetlight", "lamp", options.lamps, QUARTER),
    ):
        values = pool[device_type]
        instants = [start + tick * every for tick in range(DAY // every)]
        ticks = (start - START) // every
        for number in range(count):
            device_id, town = f"{name}-{number:05d}", f"town-{number % MUNICIPALITIES:02d}"
            offset = timedelta(seconds=number % 900)
            first = ticks + number
            batch += [
                Reading(device_id, device_type, town, at + offset, at + offset, values[(first + tick) % 168])
                for tick, at in enumerate(instants)
            ]
            if len(batch) >= READINGS_PER_WRITE:
                yield batch
                batch = []
    yield batch


def roll_up(store: ReadingStore, now: datetime) -> float:
    """Until all is done; seconds."""
    began = time.perf_counter()
    while not store.roll_up(now, within=timedelta(minutes=10)):
        pass
    return time.perf_counter() - began


def measure(store: ReadingStore, options: argparse.Namespace, end: datetime) -> dict[str, object]:
    """Ask; half-hourly totals come from the readings, of a week: they cost what there is to read."""
    device_id, quantity = ("bin-00007", "filling_level") if options.bins else ("lamp-00007", "dim_level")

    def totals(every: timedelta, span: timedelta = MONTH) -> list[object]:
        return list(store.totals(quantity, end - span, end, group_by=GroupBy.MUNICIPALITY, every=every))

    def daily(start: datetime) -> list[object]:
        return list(store.series(device_id, [quantity], start, end, every=DAY, aggregate=Aggregate.TIME_WEIGHTED_MEAN))

    week = end - 7 * DAY
    return {
        "week_raw_ms": milliseconds(lambda: list(store.series(device_id, None, week, end))),
        "week_hourly_ms": milliseconds(lambda: list(store.series(device_id, [quantity], week, end, every=HOUR))),
        "all_daily_time_weighted_ms": milliseconds(lambda: daily(START)),
        "month_totals_daily_ms": milliseconds(lambda: totals(DAY)),
        "month_totals_hourly_ms": milliseconds(lambda: totals(HOUR)),
        "week_totals_from_readings_ms": milliseconds(lambda: totals(HOUR / 2, 7 * DAY)),
        "latest_municipality_ms": milliseconds(lambda: list(store.latest(municipality="town-07"))),
        "latest_all_ms": milliseconds(lambda: list(store.latest())),
    }


def measure_late(
    store: ReadingStore, pool: dict[str, list[dict[str, Value]]], options: argparse.Namespace, end: datetime
) -> dict[str, object]:
    """A thousand readings on time, and a thousand of random devices and hours of the last month."""
    draw = random.Random(end.toordinal())
    kind, name, count = ("waste_bin", "bin", options.bins) if options.bins else ("streetlight", "lamp", options.lamps)

    def readings(at_of: Callable[[], datetime]) -> list[Reading]:
        made: list[Reading] = []
        for _ in range(LATE):
            number, at = draw.randrange(count), at_of()
            town = f"town-{number % MUNICIPALITIES:02d}"
            made.append(Reading(f"{name}-{number:05d}", kind, town, at, at, pool[kind][draw.randrange(168)]))
        return made

    def written_ms(batch: Sequence[Reading]) -> float:
        began = time.perf_counter()
        store.write(batch)
        return round((time.perf_counter() - began) * 1000, 1)

    soon = end + 2 * DAY  # behind what is rolled up; such readings are overwritten by nothing and late for nobody
    figures: dict[str, object] = {
        "write_1000_in_time_ms": written_ms(readings(lambda: soon + draw.random() * HOUR)),
        "write_1000_late_ms": written_ms(readings(lambda: end - draw.random() * MONTH)),
    }
    figures["roll_up_1000_late_s"] = round(roll_up(store, end + DAY), 2)
    return figures


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
