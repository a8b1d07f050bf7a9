"""Learning and forecasting many bins: 2,000 bins with a year of levels every six hours, and their due list.

    python benchmarks/place_models.py [--bins 2000] [--days 365]

Learns them as one municipality (pure, without a store), keeps the models in a state database on SQLite and asks for
the forecasts of a due list as the API does, without the store's `latest`. The last line of output is one JSON object.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from actions.pickups.levels import forecasts
from core.device import Device
from pickups.due import Level
from pickups.filling.learning import learn_grid
from pickups.filling.level_grid import LevelGrid
from pickups.filling.place_model import model_to_json
from readings.sqlite.store import SqliteReadings
from state.state import open_state

START = datetime(2025, 1, 6, tzinfo=UTC)
KINDS = ("park", "school", "market")
ZONE = ZoneInfo("Europe/Berlin")
REPEAT = 3
RATHER_FULL = 0.75
EMPTIED = 0.2


def main() -> None:
    """Simulate, learn, keep, ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bins", type=int, default=2000)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    grid = simulated(options.bins, options.days * 4)
    places = [(f"bin-{number}", KINDS[number % len(KINDS)]) for number in range(options.bins)]
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    learned = learn_grid(grid, places, zone=ZONE, learned_at=grid.end)
    figures: dict[str, object] = {
        "learn_s": round(time.perf_counter() - begun_s, 2),
        "learn_cpu_s": round(time.process_time() - cpu_s, 2),
        "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    bins = [
        Device(device_id=place, device_type="waste_bin", municipality="m", attributes={"place_type": kind})
        for place, kind in places
    ]
    levels = {
        place: Level(float(grid.levels[row, -1]), grid.end - timedelta(hours=1))
        for row, (place, _) in enumerate(places)
    }
    with (
        tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as folder,
        closing(open_state(f"sqlite:///{Path(folder) / 'state.db'}")) as state,
        closing(SqliteReadings(str(Path(folder) / "readings.db"))) as readings,
    ):
        begun_s = time.perf_counter()
        as_json = {place: model_to_json(model) for place, model in learned.places.items()}
        kinds = {kind: model_to_json(model) for kind, model in learned.kinds.items()}
        state.places.replace_models("m", grid.end, places=as_json, kinds=kinds)
        figures["keep_s"] = round(time.perf_counter() - begun_s, 2)
        figures["bytes_a_model"] = round(np.mean([len(json.dumps(model)) for model in as_json.values()]))
        spent_s, spent_cpu_s = [], []
        for _ in range(REPEAT):
            begun_s, cpu_s = time.perf_counter(), time.process_time()
            found = forecasts(state, readings, bins, levels, until=grid.end, at=grid.end + timedelta(days=1), zone=ZONE)
            spent_s.append(time.perf_counter() - begun_s)
            spent_cpu_s.append(time.process_time() - cpu_s)
        assert len(found) == options.bins
        figures["due_forecasts_s"] = round(min(spent_s), 3)
        figures["due_forecasts_cpu_s"] = round(min(spent_cpu_s), 3)
    figures |= {"bins": options.bins, "days": options.days}
    figures |= {"python": platform.python_version(), "cores": os.cpu_count()}
    for name, value in figures.items():
        print(f"{name:20} {value}")
    print(json.dumps(figures))


def simulated(bins: int, steps: int) -> LevelGrid:
    """Bins that bags are thrown into and that somebody empties when they are rather full; sensors with noise."""
    rng = np.random.default_rng(1)
    busy = np.exp(rng.normal(0, 0.4, bins))
    levels, level = np.zeros((bins, steps), dtype=np.float32), np.zeros(bins)
    for step in range(steps):
        came = rng.poisson(0.2 * busy) * rng.gamma(2, 0.08, bins)
        level = np.minimum(1.0, level + came)
        levels[:, step] = np.clip(level + rng.normal(0, 0.01, bins), 0, 1).round(3)
        level = np.where((level > RATHER_FULL) & (rng.random(bins) < EMPTIED), 0.0, level)
    return LevelGrid(START, levels, levels)


if __name__ == "__main__":
    main()
