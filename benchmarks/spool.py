"""The spool: readings put on disk, and drained into SQLite, per second; how long it takes to open; bytes per reading.

    .venv/bin/python benchmarks/spool.py [--readings 200000] [--batch 1000]

The last line of output is one JSON object.
"""

import argparse
import json
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from core.reading import Reading
from ingest.spool.spool import Spool
from readings.sqlite.store import SqliteReadings

START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=1_000)
    options = parser.parse_args()
    readings = [lamp_reading(number) for number in range(options.readings)]
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-", dir=Path.cwd()) as folder:
        figures = measure(readings, options.batch, Path(folder))
    figures |= {
        "readings": options.readings,
        "batch": options.batch,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "msgspec": version("msgspec"),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


def lamp_reading(number: int) -> Reading:
    """Five values, as in `end_to_end.py`; a thousand lamps take turns."""
    at = START + timedelta(seconds=number)
    values = {
        "dim_level": 0.5, "active_power_w": 33.3, "active_energy_kwh": 1234.5, "presence": True, "voltage_v": 230.1
    }  # fmt: skip
    return Reading(f"lamp-{number % 1000:05d}", "streetlight", "marburg", at, at, values)


def measure(readings: list[Reading], batch: int, folder: Path) -> dict[str, object]:
    """Append, open again, drain."""
    spool = Spool(folder / "spool", 10**12)
    spool.open()

    def append() -> None:
        for first in range(0, len(readings), batch):
            spool.append(readings[first : first + batch])

    def drain() -> None:
        while (waiting := again.oldest()) is not None:
            store.write(waiting.readings)
            again.remove(waiting)

    append_s = seconds(append)
    size_bytes = spool.size_bytes
    spool.close()
    again = Spool(folder / "spool", 10**12)
    open_s = seconds(again.open)
    with closing(SqliteReadings(str(folder / "readings.db"))) as store:
        drain_s = seconds(drain)
    again.close()
    return {
        "spooled_per_s": round(len(readings) / append_s),
        "drained_per_s": round(len(readings) / drain_s),
        "open_s_per_gb": round(open_s / size_bytes * 1e9, 3),
        "bytes_per_reading": round(size_bytes / len(readings)),
    }


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
