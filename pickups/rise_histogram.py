"""Overflow probabilities from how bins rose before: histograms by bin and weekday, convolved over the days ahead."""

from datetime import date, timedelta
from typing import Final

import numpy as np

from pickups.deposits import Floats

CELL: Final = 0.02
"""Width of a histogram's cell, as a share of the bin."""
CELLS: Final = round(1 / CELL) + 1
"""The last holds everything that fills a bin."""
HALF_LIFE_DAYS: Final = 90.0
"""A day so long ago counts half: habits change with the seasons."""
POOL_BIN: Final = 10.0
POOL_ALL: Final = 5.0
"""Days that the pooled histogram is worth: of all weekdays for one weekday of a bin, of all bins for one bin."""
_WEEK: Final = 7


class RiseHistogram:
    """What each bin rises on each weekday, as shares of its volume; partly pooled where little was seen."""

    def __init__(self, rises: Floats, first_day: date) -> None:
        """Learn from rises (days x bins, NaN: unknown) that begin on a day."""
        days, bins = rises.shape
        weekdays = (first_day.weekday() + np.arange(days)) % _WEEK
        weights = 0.5 ** ((days - np.arange(days)) / HALF_LIFE_DAYS)
        counts = np.zeros((bins, _WEEK, CELLS))
        row, column = np.nonzero(~np.isnan(rises))
        cells = np.clip(np.rint(rises[row, column] / CELL), 0, CELLS - 1).astype(np.int64)
        np.add.at(counts, (column, weekdays[row], cells), weights[row])
        nothing = np.zeros(CELLS)
        nothing[0] = 1.0
        everywhere = counts.sum(axis=(0, 1))
        everywhere = everywhere / everywhere.sum() if everywhere.any() else nothing
        own = counts.sum(axis=1)
        own = (own + POOL_ALL * everywhere) / (own.sum(axis=1, keepdims=True) + POOL_ALL)
        self._rises: Floats = (counts + POOL_BIN * own[:, None]) / (counts.sum(axis=2, keepdims=True) + POOL_BIN)

    def overflow_probability(self, levels: Floats, day: date, days: int) -> Floats:
        """Of each bin at these levels (0-1) on the morning of `day`, before the morning `days` later if left alone."""
        at = np.clip(np.rint(levels / CELL), 0, CELLS - 1).astype(np.int64)
        total = np.zeros((len(levels), CELLS + 1))  # the last cell: more than fits
        total[np.arange(len(levels)), at] = 1.0
        for ahead in range(days):
            total = _added(total, self._rises[:, (day + timedelta(days=ahead)).weekday()])
        over: Floats = total[:, -1]
        return over


def _added(total: Floats, rise: Floats) -> Floats:
    """The distribution after one more day, cell by cell; what goes beyond full stays there."""
    after = np.zeros_like(total)
    after[:, -1] = total[:, -1]
    for cell in range(CELLS):
        stays = CELLS - cell
        after[:, cell:CELLS] += rise[:, cell, None] * total[:, :stays]
        after[:, -1] += rise[:, cell] * total[:, stays:CELLS].sum(axis=1)
    return after
