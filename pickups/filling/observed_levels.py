"""What the sensors will say: the level of bins that others empty as they are used to."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devices.waste_bin.level import FULL
from pickups.filling.inflow import Inflow
from pickups.filling.inflow_ahead import DAY_S, InflowAhead, NewestLevel, band, emptied_by_band
from pickups.filling.place_model import BANDS, Floats, PlaceModel

CELLS: Final = 51
"""Levels of a distribution: 0, 0.02 ... 1."""
_CONTENTS: Final = CELLS + 20
"""Cells of contents: the same and headroom of up to 0.4."""
_TINY: Final = 1e-9


def observed_levels(
    models: Sequence[PlaceModel],
    newest: Sequence[NewestLevel],
    ats: Sequence[datetime],
    *,
    zone: ZoneInfo,
) -> Floats:
    """The distribution of the level that each place will show, others emptying it as they are used to.

    Returns:
        Probabilities by instant, place and level (0, 0.02 ... 1). Between instants lies a day or less.
    """
    ahead = InflowAhead(models, newest, zone=zone)
    contents = np.where(ahead.level >= FULL, ahead.full, ahead.level)
    now = np.eye(_CONTENTS)[_cell(contents)]
    same, stuck = _shown(now, ahead), ahead.stuck()[:, None]
    hazard, odds = emptied_by_band(models), np.array([model.emptied_weekday for model in models])
    left = np.zeros((len(models), _CONTENTS))
    left[:, : CELLS : (CELLS - 1) // BANDS] = [model.left for model in models]
    before_s, found = ahead.from_s, []
    for at in ats:
        until_s = np.maximum(before_s, at.timestamp())
        days = (until_s - before_s) / DAY_S
        middle = datetime.fromtimestamp(float((until_s + before_s).max() / 2), UTC)
        weekday = middle.astimezone(zone).weekday()
        odd = hazard / (1 - np.minimum(hazard, 1 - _TINY)) * odds[:, weekday : weekday + 1]
        within = 1 - (1 - odd / (1 + odd)) ** days[:, None]
        emptied = now * within[:, band(np.arange(_CONTENTS) / (CELLS - 1))]
        kept = _filled(now - emptied, ahead.law(until_s, before_s), _cell(ahead.full))
        now = kept + emptied.sum(axis=1, keepdims=True) * left
        found.append(stuck * same + (1 - stuck) * _shown(now, ahead))
        before_s = until_s
    return np.stack(found)


def _cell(contents: Floats) -> NDArray[np.intp]:
    return np.asarray(np.round(contents * (CELLS - 1)), dtype=np.intp)


def _filled(now: Floats, law: Inflow, full: NDArray[np.intp]) -> Floats:
    """The distribution of contents after something came in; what no longer fits into the `full` cell is left beside."""
    edges = (np.arange(_CONTENTS) + 0.5) / (CELLS - 1)
    rise = np.diff(np.stack([law.at_most(edge) for edge in edges], axis=1), axis=1, prepend=0.0)
    after = np.zeros_like(now)
    for cell in range(_CONTENTS):
        after[:, cell:] += now[:, cell : cell + 1] * rise[:, : _CONTENTS - cell]
    is_over = np.arange(_CONTENTS) >= full[:, None]
    after[is_over] = 0.0
    after[np.arange(len(full)), full] = now.sum(axis=1) - after.sum(axis=1)
    return after


def _shown(contents: Floats, ahead: InflowAhead) -> Floats:
    """The distribution of the level that the sensor shows for one of the contents."""
    cells = np.arange(_CONTENTS)
    is_full = cells >= _cell(ahead.full)[:, None]
    found = np.where(is_full, 0.0, contents)
    is_hidden = (cells > _cell(ahead.top)[:, None]) & ~is_full
    hidden = np.where(is_hidden, found, 0.0).sum(axis=1)
    found = np.where(is_hidden, 0.0, found)
    found[np.arange(len(found)), _cell(ahead.top)] += hidden
    found = found[:, :CELLS]
    found[:, -1] += np.where(is_full, contents, 0.0).sum(axis=1)
    return np.asarray(found)
