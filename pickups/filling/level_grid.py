"""Levels of many places on one grid of quarter days, for learning: what filled, what was emptied, what is silent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from devices.waste_bin.level import FULL, MAX_NOISE
from pickups.filling.emptying import MIN_DROP, Levels
from pickups.filling.place_model import STEP, STEPS_A_DAY, Floats

MAX_GAP_STEPS: Final = 3 * STEPS_A_DAY
"""Across a silence of more than three days an emptying may have gone unseen: what lies between says nothing."""
_RESOLUTIONS: Final = (0.25, 0.2, 0.1, 0.05)
_FINEST: Final = 0.01
_EXACT: Final = 1e-4
_TELLING: Final = 3
"""Fewer different values than this tell nothing of the steps between them."""

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LevelGrid:
    """`levels[place, step]`: the last level within each quarter day from `start` on, NaN where there is none.

    `before`: the same, but that from which the bin was emptied in a quarter day in which it was.
    """

    start: datetime
    levels: NDArray[np.float32]
    before: NDArray[np.float32]

    @property
    def instants(self) -> list[datetime]:
        """The middle of each step."""
        return [self.start + STEP * step + STEP / 2 for step in range(self.levels.shape[1])]

    @property
    def end(self) -> datetime:
        """The end of the last step."""
        return self.start + STEP * len(self.levels[0])


@dataclass(frozen=True, slots=True)
class Rises:
    """Spans between two readings in a row of one place in which it filled: whole steps `first` to `last` (inclusive).

    `before` and `after` are its levels (small falls are noise); `is_full`: it ended full, what came in may be more.
    """

    place: Indices
    first: Indices
    last: Indices
    before: Floats
    after: Floats
    is_full: NDArray[np.bool_]


def empty_grid(places: int, start: datetime, end: datetime) -> LevelGrid:
    """A grid without levels from the quarter day of `start` to that of `end`."""
    step_s = STEP.total_seconds()
    begin = int(start.timestamp() // step_s)
    steps = int(end.timestamp() // step_s) - begin + 1
    levels = np.full((places, steps), np.nan, dtype=np.float32)
    return LevelGrid(datetime.fromtimestamp(begin * step_s, UTC), levels, levels.copy())


def put_levels(grid: LevelGrid, row: int, levels: Levels) -> None:
    """Put the levels (in any order) of a place into a grid; of one quarter day the last, those outside are left out."""
    if not levels:
        return
    at_s, values = np.array([(at.timestamp(), level) for at, level in levels]).T
    order = np.argsort(at_s, kind="stable")
    step = np.asarray((at_s[order] - grid.start.timestamp()) // STEP.total_seconds(), dtype=np.intp)
    inside = (step >= 0) & (step < grid.levels.shape[1])
    step, values = step[inside], values[order][inside]
    grid.levels[row, step] = values
    grid.before[row, step] = values
    fell = (step[1:] == step[:-1]) & (values[:-1] - values[1:] >= MIN_DROP)
    grid.before[row, step[:-1][fell]] = values[:-1][fell]


def grid_of(histories: Mapping[str, Levels], *, longest: timedelta) -> LevelGrid:
    """The grid of some places, in their order; what is older than `longest` before the newest level is left out."""
    instants = [at for levels in histories.values() for at, _ in levels]
    newest = max(instants, default=datetime(1970, 1, 1, tzinfo=UTC))
    grid = empty_grid(len(histories), max(min(instants, default=newest), newest - longest), newest)
    for row, levels in enumerate(histories.values()):
        put_levels(grid, row, levels)
    return grid


def trimmed(grid: LevelGrid) -> LevelGrid:
    """The grid without the steps before its first level."""
    known = np.nonzero(~np.all(np.isnan(grid.levels), axis=0))[0]
    first = int(known[0]) if len(known) else 0
    return LevelGrid(grid.start + STEP * first, grid.levels[:, first:], grid.before[:, first:])


def rises_of(levels: NDArray[np.float32], emptied_from: NDArray[np.float32]) -> Rises:
    """The spans of filling in a grid's levels; the second are its `before`."""
    place, step = np.nonzero(~np.isnan(levels))
    before = levels[place, step].astype(np.float64)[:-1]
    after = emptied_from[place, step].astype(np.float64)[1:]
    length = step[1:] - step[:-1]
    is_one = (place[1:] == place[:-1]) & (length <= MAX_GAP_STEPS) & (before < FULL) & (before - after <= MAX_NOISE)
    return Rises(
        place=place[1:][is_one],
        first=step[:-1][is_one] + 1,
        last=step[1:][is_one],
        before=before[is_one],
        after=after[is_one],
        is_full=(after >= FULL)[is_one],
    )


def emptyings_before(levels: NDArray[np.float32], emptied_from: NDArray[np.float32]) -> Indices:
    """How many emptyings within single steps each place had up to the end of each step."""
    return np.asarray(np.cumsum(np.nan_to_num(emptied_from - levels) > 0, axis=1), dtype=np.intp)


def without_unchanged(grid: LevelGrid, longest: Floats) -> NDArray[np.float32]:
    """The levels without runs of the same value that last longer than each place's `longest` (steps).

    The first reading of a run stays; a bin that was emptied within one is no run.
    """
    runs = _runs_of(grid.before)
    is_long = (runs.last - runs.first > longest[runs.place])[runs.number]
    is_later = runs.step > runs.first[runs.number]
    kept = grid.levels.copy()
    drop = is_long & is_later
    kept[runs.place[runs.number[drop]], runs.step[drop]] = np.nan
    return kept


def last_runs(levels: NDArray[np.float32]) -> tuple[Indices, Indices]:
    """First and last step of the run of the same value with which each place ends; -1 without any reading."""
    runs = _runs_of(levels)
    first = np.full(len(levels), -1, dtype=np.intp)
    last = first.copy()
    first[runs.place], last[runs.place] = runs.first, runs.last  # ascending: the last run of a place stays
    return first, last


def resolutions(levels: NDArray[np.float32]) -> Floats:
    """The step in which each place's readings come: 0.25, 0.2, 0.1, 0.05 or finer (0.01)."""
    found = np.full(len(levels), _FINEST)
    for row, values in enumerate(levels):
        some = np.unique(values[~np.isnan(values)])
        for size in _RESOLUTIONS:
            if len(some) >= _TELLING and np.all(np.abs(some / size - np.round(some / size)) < _EXACT / size):
                found[row] = size
                break
    return found


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of equal readings, missing steps do not end one; and of each reading its step and its run's `number`."""

    place: Indices
    first: Indices
    last: Indices
    step: Indices
    number: Indices


def _runs_of(levels: NDArray[np.float32]) -> _Runs:
    place, step = np.nonzero(~np.isnan(levels))
    value = levels[place, step]
    begins = np.ones(len(place), dtype=np.bool_)
    begins[1:] = (place[1:] != place[:-1]) | (value[1:] != value[:-1])
    ends = np.roll(begins, -1)
    return _Runs(place[begins], step[begins], step[ends], step, np.cumsum(begins) - 1)
