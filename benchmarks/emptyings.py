"""Emptyings found from levels alone, against what a simulated county knows of them; then the forecast of its next day.

    python benchmarks/emptyings.py [--bins 80] [--days 200] [--seed 1]

Bins report every hour and are emptied in weekly rounds, some of which are left out. On top of the simulator's faults
come silences of two to six days and restarts of sensors (one reading of 0). An emptying is found when its instant lies
in the span of a detected one; it can be seen at all when the level fell by 0.3 at least. The forecast is learned from
all but the last sixty days; from each midnight of those it is asked for the next, of bins not emptied in between. The
last line of output is one JSON object.
"""

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from actions.pickups.learn_places import public_holidays
from core.pickup import Emptying
from core.reading import Reading
from devices.waste_bin.level import FULL
from pickups.filling.emptying import MIN_DROP, Levels, emptyings
from pickups.filling.forecast import predict
from pickups.filling.inflow_ahead import NewestLevel
from pickups.filling.learning import learn
from pickups.filling.place import place_kind
from simulators.fleet import Fleet, build_fleet
from simulators.history import Emptying as Truth
from simulators.history import write_history
from simulators.region import load_region

START = datetime(2025, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TRIED = 60
HALF = 0.5
SLACK = timedelta(minutes=10)
NEAR = timedelta(hours=6)
SOME = 4
"""A sensor that spoke less often than this within six hours before and after was silent."""


class LevelStore(dict[str, list[tuple[datetime, float]]]):
    """Keeps only the levels of what is written, by device."""

    def write(self, readings: Sequence[Reading]) -> None:
        """As a reading store does."""
        for reading in readings:
            level = reading.values.get("filling_level")
            if level is not None:
                self.setdefault(reading.device_id, []).append((reading.observed_at, float(level)))


def main() -> None:
    """Simulate, disturb, detect, forecast; print tables, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bins", type=int, default=80)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    region = load_region("marburg-biedenkopf")
    fleet = build_fleet(region, lamps=options.bins, bins=options.bins, seed=options.seed)
    kept = LevelStore()
    end = START + options.days * DAY
    history = write_history(fleet, kept, start=START, end=end, progress=lambda _: None)  # type: ignore[arg-type]
    figures: dict[str, object] = {**detection(disturbed(kept, options.seed), history.emptyings)}
    figures |= forecasting(fleet, kept, history.emptyings, end)
    figures |= {
        "bins": options.bins,
        "days": options.days,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures))


def disturbed(levels: dict[str, list[tuple[datetime, float]]], seed: int) -> dict[str, Levels]:
    """The levels with silences and restarts."""
    rng = random.Random(seed)
    found: dict[str, Levels] = {}
    for device_id, series in levels.items():
        kept, silent_until = [], START
        for at, level in series:
            if at < silent_until:
                continue
            if rng.random() < 1 / (24 * 45):
                silent_until = at + timedelta(days=rng.uniform(2, 6))
            kept.append((at, 0.0 if rng.random() < 1 / (24 * 20) else level))
        found[device_id] = kept
    return found


def detection(levels: dict[str, Levels], truth: Sequence[Truth]) -> dict[str, float]:
    """Recall, of all and of what can be seen, and false detections."""
    begun_s = time.perf_counter()
    found = {device_id: emptyings(series) for device_id, series in levels.items()}
    spent_s = time.perf_counter() - begun_s
    known = [one for one in truth if one.device_id in found]
    visible = [one for one in known if one.level_before - one.level_after >= MIN_DROP + 0.02]
    hits = [one for one in visible if any(holds(each, one.at) for each in found[one.device_id])]
    by_device: dict[str, list[datetime]] = {}
    for one in known:
        by_device.setdefault(one.device_id, []).append(one.at)
    whole = [(device_id, each) for device_id, many in found.items() for each in many if not each.partial]
    false = [each for device_id, each in whole if not any(holds(each, at) for at in by_device.get(device_id, []))]
    missed = [one for one in visible if one not in hits]
    silent = [one for one in missed if sum(abs(at - one.at) < NEAR for at, _ in levels[one.device_id]) < SOME]
    partial = sum(each.partial for many in found.values() for each in many)
    readings = sum(len(series) for series in levels.values())
    print(f"{len(known)} emptyings, {len(visible)} of them of 0.3 and more; {readings} levels in {spent_s:.1f} s")
    print(f"found {len(hits)} ({len(hits) / len(visible):.1%}), false {len(false)} of {len(whole)}, partial {partial}")
    print(f"missed {len(missed)}, {len(silent)} of them with the sensor silent at the time")
    return {
        "emptyings": len(known),
        "visible": len(visible),
        "recall_visible": round(len(hits) / len(visible), 4),
        "detected": len(whole),
        "false": len(false),
        "partial": partial,
        "missed": len(missed),
        "missed_silent": len(silent),
    }


def holds(found: Emptying, at: datetime) -> bool:
    """Whether an instant lies in the span of a detected emptying."""
    return (found.not_before or found.at) - SLACK <= at <= found.at + SLACK


def forecasting(
    fleet: Fleet, levels: dict[str, list[tuple[datetime, float]]], truth: Sequence[Truth], end: datetime
) -> dict[str, float]:
    """Next day's level: error, coverage of the interval, Brier score of the overflow probability."""
    split = end - TRIED * DAY
    zone = fleet.region.zone
    kinds = {device.device_id: place_kind(device) for device in fleet.devices if device.device_id in levels}
    learned = learn(
        levels, kinds, zone=zone, learned_at=split, holidays=public_holidays("HE", START.date(), end.date())
    )
    emptied = {(one.device_id, number_of(one.at)) for one in truth}
    at_midnight = {device_id: midnights(series) for device_id, series in levels.items()}
    said, came, start, newest = [], [], [], []
    for day in range(number_of(split), number_of(end) - 1):
        ids = [
            device_id
            for device_id, known in at_midnight.items()
            if day in known and day + 1 in known and (device_id, day) not in emptied
        ]
        if ids:
            at = START + DAY * (day + 1)
            newest = [NewestLevel(at_midnight[device_id][day], START + DAY * day) for device_id in ids]
            said += predict([learned.places[device_id] for device_id in ids], newest, at, zone=zone)
            start += [one.filling_level for one in newest]
            came += [at_midnight[device_id][day + 1] for device_id in ids]
    truths, before = np.array(came), np.array(start)
    mean = np.array([one.filling_level for one in said])
    low, high = np.array([one.low for one in said]), np.array([one.high for one in said])
    overflow, is_full = np.array([one.overflow_probability for one in said]), truths >= FULL
    inside = (truths >= low) & (truths <= high)
    figures = {
        "forecasts": len(said),
        "mae": round(float(np.abs(mean - truths).mean()), 4),
        "mae_persistence": round(float(np.abs(before - truths).mean()), 4),
        "coverage": round(float(inside.mean()), 4),
        "coverage_below_half": round(float(inside[before < HALF].mean()), 4),
        "brier_overflow": round(float(((overflow - is_full) ** 2).mean()), 4),
        "brier_base_rate": round(float(is_full.mean() * (1 - is_full.mean())), 4),
    }
    print("\n" + "  ".join(f"{name} {value}" for name, value in figures.items()))
    print("\nprobability of full   days   said   was full")
    for lowest, highest in pairwise([0, 0.01, 0.05, 0.2, 0.5, 0.8, 1.0001]):
        some = (overflow >= lowest) & (overflow < highest)
        if some.any():
            print(
                f"{lowest:6.2f} to {min(highest, 1):4.2f}     {some.sum():7} {overflow[some].mean():6.3f} "
                f"{is_full[some].mean():10.3f}"
            )
    return figures


def number_of(at: datetime) -> int:
    """The day of an instant, counted from the start."""
    return (at - START) // DAY


def midnights(series: Sequence[tuple[datetime, float]]) -> dict[int, float]:
    """The last level before each midnight within three hours, by the day that begins."""
    found = {}
    for at, level in series:
        day = number_of(at + timedelta(hours=3))
        if number_of(at) < day:
            found[day] = level
    return found


if __name__ == "__main__":
    main()
