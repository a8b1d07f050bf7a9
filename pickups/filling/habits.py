"""How others empty the bins: how probably within a day, by level and weekday, learned from falls alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from devices.waste_bin.level import MAX_NOISE
from pickups.filling.level_grid import Indices, LevelGrid, emptyings_before
from pickups.filling.place_model import BANDS, DAYS_A_WEEK, STEPS_A_DAY, Floats

_PLACE_WEIGHT: Final = 8.0
"""A place leans on its kind as if so many of its days at a level had been seen."""
_KIND_WEIGHT: Final = 50.0
"""A kind leans on all places as if so many days had been seen."""
_MOST: Final = 0.99
"""Nobody empties so surely that a day without is impossible."""
_ODDS: Final = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class Habits:
    """Probability of an emptying within a day by level band, factors on its odds by weekday, level left after."""

    emptied: Floats
    odds: Floats
    left: Floats
    kind_emptied: Floats
    kind_odds: Floats
    kind_of: Indices

    def of_place(self, row: int) -> Mapping[str, Any]:
        """As fields of a `PlaceModel`."""
        return _fields(self.emptied[row], self.odds[row], self.left[self.kind_of[row]])

    def of_kind(self, number: int) -> Mapping[str, Any]:
        """The same of a kind."""
        return _fields(self.kind_emptied[number], self.kind_odds[number], self.left[number])


def learn_habits(grid: LevelGrid, kind_of: Indices, kinds: int, weekday: Indices) -> Habits:
    """Learn from a grid; kind 0 is all places together, `weekday` (Monday 0) is that of each step."""
    levels, emptyings = grid.levels, emptyings_before(grid.levels, grid.before)
    before, after = levels[:, :-STEPS_A_DAY], levels[:, STEPS_A_DAY:]
    place, step = np.nonzero(~np.isnan(before) & ~np.isnan(after))
    start, end = before[place, step].astype(np.float64), after[place, step].astype(np.float64)
    is_emptied = (start - end > MAX_NOISE) | (emptyings[place, step + STEPS_A_DAY] > emptyings[place, step])
    # A day's readings overlap those of the next: where there are several a day, each counts for its share.
    share = 1 / np.maximum(np.bincount(place, minlength=len(levels)) / _days(place, step, len(levels)), 1.0)
    weight = share[place]
    band = np.clip((start * BANDS + 1e-6).astype(np.intp), 0, BANDS - 1)  # noise must not lift 0.2 out of its band
    day = weekday[np.minimum(step + STEPS_A_DAY // 2, len(weekday) - 1)]
    size = (len(levels), BANDS, DAYS_A_WEEK)
    cell = np.ravel_multi_index((place, band, day), size)
    seen = np.bincount(cell, weight, int(np.prod(size))).astype(np.float64).reshape(size)
    emptied = np.bincount(cell, weight * is_emptied, int(np.prod(size))).astype(np.float64).reshape(size)
    of_kind = np.stack([kind_of == number if number else np.full(len(kind_of), True) for number in range(kinds)])
    kind_seen, kind_emptied = (np.tensordot(of_kind.astype(float), cells, axes=1) for cells in (seen, emptied))
    everywhere = _shrunk(kind_emptied[:1].sum(2), kind_seen[:1].sum(2), 0.05, 1.0)
    by_kind = _shrunk(kind_emptied.sum(2), kind_seen.sum(2), everywhere, _KIND_WEIGHT)
    by_place = _shrunk(emptied.sum(2), seen.sum(2), by_kind[kind_of], _PLACE_WEIGHT)
    no_odds = np.ones((kinds, DAYS_A_WEEK))
    kind_odds = _odds(kind_emptied, kind_seen, by_kind, no_odds, _KIND_WEIGHT)
    left = np.zeros((kinds, BANDS + 1))
    for number in range(kinds):
        inside = is_emptied & of_kind[number][place]
        at = np.clip(np.round(end[inside] * BANDS), 0, BANDS).astype(np.intp)
        left[number] = np.bincount(at, weight[inside], BANDS + 1) + (left[0] if number else 1e-6 * _AT_NOTHING)
    return Habits(
        emptied=by_place,
        odds=_odds(emptied, seen, by_place, kind_odds[kind_of], _PLACE_WEIGHT),
        left=left / left.sum(axis=1, keepdims=True),
        kind_emptied=by_kind,
        kind_odds=kind_odds,
        kind_of=kind_of,
    )


_AT_NOTHING: Final = np.eye(1, BANDS + 1)[0]


def _days(place: Indices, step: Indices, places: int) -> Floats:
    """Days on which each place has readings, at least one."""
    has_any = np.zeros((places, int(step.max(initial=0)) // STEPS_A_DAY + 1), dtype=np.bool_)
    has_any[place, step // STEPS_A_DAY] = True
    return np.asarray(np.maximum(has_any.sum(axis=1), 1), dtype=np.float64)


def _shrunk(emptied: Floats, seen: Floats, expected: Floats | float, weight: float) -> Floats:
    return np.minimum((emptied + weight * expected) / (seen + weight), _MOST)


def _odds(emptied: Floats, seen: Floats, by_level: Floats, expected: Floats, weight: float) -> Floats:
    """Factors on the odds by weekday: emptied against what the levels made expect, drawn towards `expected`."""
    hoped = (seen * by_level[..., None]).sum(axis=1)
    factor = (emptied.sum(axis=1) + weight * 0.2 * expected) / (hoped + weight * 0.2)
    return np.asarray(np.clip(factor, *_ODDS))


def _fields(emptied: Floats, odds: Floats, left: Floats) -> Mapping[str, Any]:
    return {"emptied": tuple(emptied.tolist()), "emptied_weekday": tuple(odds.tolist()), "left": tuple(left.tolist())}
