"""Energy of a month: how long the report of many lamps takes, per month and per day, on SQLite and InfluxDB.

Lamps report every 15 minutes at night and every hour by day (60 reports a day), counters of hours and switchings with
every fourth. The last line of output is one JSON object. Default: 1,500 lamps of one municipality, one month.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from influxd import running_influxdb

from actions.lights.energy_report import energy_report
from core.device import Device
from core.quantity import Value
from core.reading import Reading
from lights.energy import EnergyGroup, EnergyInterval, bounds
from readings.beside.opened import open_beside
from readings.influx.store import InfluxReadings
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore
from state.state import State, open_state

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 1, tzinfo=BERLIN).astimezone(UTC)
DAY = timedelta(days=1)
REPORTS = 60
REPEAT = 3


def main() -> None:
    """Fill, roll up, ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("sqlite", "influxdb"), default="sqlite")
    parser.add_argument("--lamps", type=int, default=1500)
    parser.add_argument("--months", type=int, default=1)
    options = parser.parse_args()
    end = datetime(2026 + (2 + options.months) // 12, (2 + options.months) % 12 + 1, 1, tzinfo=BERLIN).astimezone(UTC)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kreispuls-bench-")))
        state = stack.enter_context(closing(open_state(f"sqlite:///{folder / 'registry.db'}")))
        store = opened(stack, options.backend, folder)
        state.devices.put_many([lamp(number) for number in range(options.lamps)])
        written = 0
        for batch in said(options.lamps, START - DAY, end + DAY):
            store.write(batch)
            written += len(batch)
        while not store.roll_up(end + 3 * DAY, within=timedelta(minutes=10)):
            pass
        figures: dict[str, object] = {
            "benchmark": "energy",
            "backend": options.backend,
            "lamps": options.lamps,
            "months": options.months,
            "readings": written,
            "by_month_s": seconds(state, store, end, EnergyInterval.MONTH),
            "by_day_of_last_month_s": seconds(state, store, end, EnergyInterval.DAY),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {"sqlite": sqlite3.sqlite_version},
        }
    print(json.dumps(figures))


def opened(stack: ExitStack, backend: str, folder: Path) -> ReadingStore:
    """A new store in a folder."""
    if backend == "sqlite":
        return stack.enter_context(closing(SqliteReadings(str(folder / "readings.db"))))
    influxd = shutil.which("influxd")
    if influxd is None:
        raise SystemExit("no influxd on PATH")
    token = secrets.token_urlsafe()
    url = stack.enter_context(running_influxdb(influxd, folder, token))
    beside = open_beside(f"sqlite:///{folder / 'state.db'}")
    return stack.enter_context(closing(InfluxReadings(url=url, token=token, org="bench", bucket="b", beside=beside)))


def lamp(number: int) -> Device:
    """A lamp of the registry."""
    return Device(
        device_id=f"lamp-{number:05d}",
        device_type="streetlight",
        municipality="marburg",
        street=f"street-{number // 30}",
        latitude=50.7 + number / 10_000,
        longitude=8.7 + number / 10_000,
        attributes={"rated_power_w": 40.0, "circuit": f"K{number // 60}"},
    )


def said(lamps: int, start: datetime, end: datetime) -> Iterator[Sequence[Reading]]:
    """What they say, a day at a time."""
    for day in range((end - start) // DAY):
        batch: list[Reading] = []
        for number in range(lamps):
            for report in range(REPORTS):
                place = day * REPORTS + report
                at = start + day * DAY + report * DAY / REPORTS + timedelta(seconds=number % 900)
                values: dict[str, Value] = {"active_energy_kwh": round(100 + place * 0.002, 4), "active_power_w": 5.0}
                if report % 4 == 0:
                    values |= {"operating_hours_h": round(1000 + place * 0.2, 2), "switch_on_count": day}
                batch.append(Reading(f"lamp-{number:05d}", "streetlight", "marburg", at, at, values))
        yield batch


def seconds(state: State, store: ReadingStore, end: datetime, every: EnergyInterval) -> float:
    """Median of some reports by street; by day only of the last month."""
    start = START if every is EnergyInterval.MONTH else max(START, end - 31 * DAY)
    of = bounds(start, end, every, BERLIN, most=1000)
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        totals = energy_report(state, store, of, group_by=EnergyGroup.STREET)
        times.append(time.perf_counter() - began)
        if any(total.energy_kwh is None or total.estimated_kwh for total in totals):
            raise AssertionError("a street's energy is not what was written")
    return round(sorted(times)[REPEAT // 2], 2)


if __name__ == "__main__":
    main()
