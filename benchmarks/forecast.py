"""Forecast of the next day's level on a recording of one level a day and bin, against persistence and the weekday mean.

    python benchmarks/forecast.py FILE --split 2019-07-01 [--id COLUMN] [--level COLUMN] [--time COLUMN] [--full N] ...

What is before the split is learned from; every later day that follows a day with a reading is forecast from that
reading. "frozen": learned once, at the split; "nightly": learned anew every night from all that was known then, as the
platform does. MAE is of the median, RMSE of the mean, both in the recording's units; a day is one "with emptying" when
the level fell by more than 0.15 of full. The interval is the narrowest range of the recording's readings that holds at
least 90 %. The last line of output is one JSON object. Defaults are those of the Wyndham recording.
"""

import argparse
import csv
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devices.waste_bin.level import FULL, MAX_NOISE
from pickups.filling.inflow_ahead import NewestLevel
from pickups.filling.learning import Learned, learn
from pickups.filling.observed_levels import CELLS, observed_levels

Floats = NDArray[np.float64]
Recording = Mapping[str, Mapping[date, float]]
"""Level 0-1 by bin and local day; of several in a day the last."""
DAY = timedelta(days=1)
INTERVAL = 0.9
MOST_VALUES = 21
"""A recording with more different levels is looked at in steps of 0.02."""


@dataclass(frozen=True)
class Case:
    """One forecast to make: the bin, the day before with its level and since when it is so, and what came."""

    bin_id: str
    day: date
    level: float
    since: date
    truth: float


def main() -> None:
    """Print the table, the reliability of the overflow probability, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--split", type=date.fromisoformat, required=True)
    parser.add_argument("--id", default="Bin ID")
    parser.add_argument("--level", default="Fullness")
    parser.add_argument("--time", default="timestamp")
    parser.add_argument("--time-format", default="%d-%m-%Y")
    parser.add_argument("--full", type=float, default=10.0, help="the level that means full")
    parser.add_argument("--timezone", type=ZoneInfo, default=ZoneInfo("Australia/Melbourne"))
    parser.add_argument("--frozen-only", action="store_true", help="do not learn every night")
    options = parser.parse_args()
    recording = read(options)
    cases = cases_of(recording, options.split)
    values = values_of(recording)
    truth = np.array([case.truth for case in cases])
    print(f"{len(recording)} bins, {len(cases)} days after {options.split}, readings {values * options.full}")
    rows: dict[str, dict[str, float]] = {
        "persistence": scores(cases, np.array([case.level for case in cases]), options.full),
        "weekday mean": scores(cases, weekday_means(recording, cases, options.split), options.full),
    }
    figures: dict[str, object] = {}
    for name in ("frozen",) if options.frozen_only else ("frozen", "nightly"):
        begun_s = time.perf_counter()
        chances = forecast(recording, cases, values, options, nightly=name == "nightly")
        rows[f"learned, {name}"] = distribution_scores(cases, values, chances, options.full)
        figures[f"{name}_s"] = round(time.perf_counter() - begun_s, 1)
    show(rows)
    reliability(chances[:, values >= FULL].sum(axis=1), truth >= FULL)
    figures |= {"scores": rows, "cases": len(cases), "python": platform.python_version(), "cores": os.cpu_count()}
    print(json.dumps(figures))


def read(options: argparse.Namespace) -> Recording:
    """The recording; rows that are not understood are counted and named."""
    found: dict[str, dict[date, float]] = {}
    refused = 0
    with options.file.open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            try:
                day = datetime.strptime(row[options.time], options.time_format).date()  # noqa: DTZ007 - a local day
                level = float(row[options.level]) / options.full
            except (KeyError, ValueError, TypeError):
                refused += 1
                continue
            found.setdefault(row[options.id], {})[day] = min(max(level, 0.0), 1.0)
    if refused:
        print(f"{refused} rows without a level or a time are left out")
    return found


def cases_of(recording: Recording, split: date) -> list[Case]:
    """Every day from the split on whose day before has a reading, by day."""
    cases = []
    for bin_id, levels in recording.items():
        since, last = None, None
        for day in sorted(levels):
            begin = day if last is None or levels[day] != levels[last] else since or day
            if last is not None and day - last == DAY and day >= split:
                cases.append(Case(bin_id, last, levels[last], since or last, levels[day]))
            since, last = begin, day
    return sorted(cases, key=lambda case: (case.day, case.bin_id))


def values_of(recording: Recording) -> Floats:
    """The levels that the recording has, or steps of 0.02."""
    found = np.unique([level for levels in recording.values() for level in levels.values()])
    return found if len(found) <= MOST_VALUES else np.arange(CELLS) / (CELLS - 1)


def weekday_means(recording: Recording, cases: Sequence[Case], split: date) -> Floats:
    """Mean level by bin and weekday before the split; of all bins where a bin has none."""
    known: dict[tuple[str, int], list[float]] = {}
    for bin_id, levels in recording.items():
        for day, level in levels.items():
            if day < split:
                known.setdefault((bin_id, day.weekday()), []).append(level)
    everywhere = float(np.mean([level for many in known.values() for level in many]))
    keys = [(case.bin_id, (case.day + DAY).weekday()) for case in cases]
    return np.array([np.mean(known[key]) if key in known else everywhere for key in keys])


def forecast(
    recording: Recording, cases: Sequence[Case], values: Floats, options: argparse.Namespace, *, nightly: bool
) -> Floats:
    """Probability of each of the recording's levels by case."""
    zone = options.timezone
    nearest = np.abs(np.arange(CELLS)[:, None] / (CELLS - 1) - values - 1e-9).argmin(axis=1)
    chances = np.zeros((len(cases), len(values)))
    models, learned_on = None, None
    begin = 0
    while begin < len(cases):
        day = cases[begin].day
        end = next((n for n in range(begin, len(cases)) if cases[n].day != day), len(cases))
        if models is None or (nightly and learned_on != day):
            models, learned_on = learned(recording, options.split - DAY if not nightly else day, zone), day
        some = cases[begin:end]
        start = [NewestLevel(case.level, midnight(day, zone), midnight(case.since, zone)) for case in some]
        known = [models.places.get(case.bin_id) or models.kinds[""] for case in some]
        (shown,) = observed_levels(known, start, [midnight(day + DAY, zone)], zone=zone)
        for cell, value in enumerate(nearest):
            chances[begin:end, value] += shown[:, cell]
        begin = end
    return chances


def learned(recording: Recording, last: date, zone: ZoneInfo) -> Learned:
    """What was learned from all up to a day, that day's reading included."""
    histories = {
        bin_id: [(midnight(day, zone), level) for day, level in levels.items() if day <= last]
        for bin_id, levels in recording.items()
    }
    return learn(histories, {}, zone=zone, learned_at=midnight(last, zone))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The beginning of a local day."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def scores(cases: Sequence[Case], said: Floats, full: float) -> dict[str, float]:
    """Of a single value: its CRPS is the absolute error."""
    found = errors(cases, said, said, full)
    return found | {"crps": found["mae"]}


def errors(cases: Sequence[Case], median: Floats, mean: Floats, full: float) -> dict[str, float]:
    """MAE of the median and RMSE of the mean, of all days, those with emptying and the others."""
    truth, level = np.array([case.truth for case in cases]), np.array([case.level for case in cases])
    is_emptied = level - truth > MAX_NOISE
    found = {}
    for name, some in (("", np.full(len(cases), True)), ("_emptied", is_emptied), ("_other", ~is_emptied)):
        found[f"mae{name}"] = round(float(np.abs(median - truth)[some].mean()) * full, 3)
        found[f"rmse{name}"] = round(float(np.sqrt(((mean - truth) ** 2)[some].mean())) * full, 3)
        found[f"days{name}"] = int(some.sum())
    return found


def distribution_scores(cases: Sequence[Case], values: Floats, chances: Floats, full: float) -> dict[str, float]:
    """Errors, CRPS, coverage and width of the 90 % interval, Brier score of the overflow probability."""
    truth = np.array([case.truth for case in cases])
    below = np.cumsum(chances, axis=1)
    found = errors(cases, values[(below >= 0.5 - 1e-9).argmax(axis=1)], chances @ values, full)
    widths = np.diff(values)
    crps = ((below - (values >= truth[:, None] - 1e-9))[:, :-1] ** 2 * widths).sum(axis=1).mean()
    low, high = narrowest(values, below)
    is_inside = (truth >= low - 1e-9) & (truth <= high + 1e-9)
    level = np.array([case.level for case in cases])
    is_emptied = level - truth > MAX_NOISE
    overflow, is_full = chances[:, values >= FULL].sum(axis=1), truth >= FULL
    return found | {
        "crps": round(float(crps) * full, 3),
        "coverage": round(float(is_inside.mean()), 3),
        "coverage_emptied": round(float(is_inside[is_emptied].mean()), 3),
        "coverage_other": round(float(is_inside[~is_emptied].mean()), 3),
        "interval": round(float((high - low).mean()) * full, 2),
        "brier_overflow": round(float(((overflow - is_full) ** 2).mean()), 4),
        "brier_base_rate": round(float(is_full.mean() * (1 - is_full.mean())), 4),
    }


def narrowest(values: Floats, below: Floats) -> tuple[Floats, Floats]:
    """The narrowest range of readings that holds at least 90 %, the most probable of several."""
    count = len(values)
    before = np.concatenate((np.zeros((len(below), 1)), below), axis=1)
    best, low, high = np.full(len(below), -1.0), np.zeros(len(below), int), np.full(len(below), count - 1)
    done = np.full(len(below), False)
    for width in range(count):
        found = np.zeros(len(below), dtype=bool)
        for first in range(count - width):
            mass = before[:, first + width + 1] - before[:, first]
            better = ~done & (mass >= INTERVAL) & (mass > best)
            best[better], low[better], high[better] = mass[better], first, first + width
            found |= better
        done |= found
    return values[low], values[high]


def reliability(overflow: Floats, is_full: NDArray[np.bool_]) -> None:
    """How often it was full where so probable was said."""
    print("\nprobability of full   days   said   was full")
    edges = [0, 0.01, 0.05, 0.1, 0.3, 0.7, 1.0001]
    for low, high in pairwise(edges):
        some = (overflow >= low) & (overflow < high)
        if some.any():
            said, was = overflow[some].mean(), is_full[some].mean()
            print(f"{low:6.2f} to {min(high, 1):4.2f}     {some.sum():7} {said:6.3f} {was:10.3f}")


def show(rows: Mapping[str, Mapping[str, float]]) -> None:
    """The table."""
    columns = ("mae", "rmse", "mae_other", "rmse_other", "mae_emptied", "rmse_emptied", "crps", "coverage", "interval")
    print(f"\n{'':18}" + "".join(f"{name:>13}" for name in columns))
    for name, row in rows.items():
        print(f"{name:18}" + "".join(f"{row.get(column, ''):>13}" for column in columns))


if __name__ == "__main__":
    main()
