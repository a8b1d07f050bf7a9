"""Overflow probabilities of a backtest by the models that the platform learns (`pickups.filling.learning`)."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pickups.backtest.deposits import Floats
from pickups.filling.inflow_ahead import InflowAhead, NewestLevel
from pickups.filling.learning import LONGEST, learn_grid
from pickups.filling.level_grid import LevelGrid
from pickups.filling.place_model import STEPS_A_DAY

ZONE: Final = ZoneInfo("UTC")
MORNING: Final = time(6, tzinfo=UTC)
"""Days of a backtest begin with the second of four quarters; its clock has no zone."""

EMPTIED_FROM: Final = 0.9
"""A level near full would look as if more may have come in."""


class PlaceForecast:
    """The bins of an area, each with its own model, all of one kind."""

    def __init__(self, rises: Floats, first_day: date) -> None:
        """Learn from rises (days x bins, NaN: unknown) that begin on the morning of a day, those of the last 400 days.

        A bin overflows when more than a whole one came in, which with readings in steps is half a step more than that
        (continuity correction); that bins hold more than reads full cannot be learned from rises.
        """
        skipped = max(0, len(rises) - LONGEST.days)
        rises, first_day = rises[skipped:], first_day + timedelta(days=skipped)
        levels = _levels(rises)
        days, bins = rises.shape
        midnight = datetime.combine(first_day, time(0), UTC)
        places = [(str(place), "") for place in range(bins)]
        learned = learn_grid(
            LevelGrid(midnight, levels, levels),
            places,
            zone=ZONE,
            learned_at=datetime.combine(first_day + timedelta(days=days), MORNING),
        )
        models = [learned.places[place] for place, _ in places]
        self._models = [replace(model, headroom=model.resolution / 2) for model in models]

    def overflow_probability(self, levels: Floats, day: date, days: int) -> Floats:
        """Of each bin at these levels (0-1) on the morning of `day`, before the morning `days` later if left alone."""
        morning = datetime.combine(day, MORNING)
        ahead = InflowAhead(self._models, [NewestLevel(float(level), morning) for level in levels], zone=ZONE)
        return ahead.is_full(ahead.law(ahead.until(morning + timedelta(days=days))))


def _levels(rises: Floats) -> NDArray[np.float32]:
    """Levels (bins x quarter days) that rise so: in the morning and the next, emptied before they are full."""
    days, bins = rises.shape
    levels = np.full((bins, STEPS_A_DAY * (days + 1)), np.nan, dtype=np.float32)
    level = np.zeros(bins)
    for day, rise in enumerate(rises):
        is_known = ~np.isnan(rise)
        level = np.where(is_known & (level + rise < EMPTIED_FROM), level, 0.0)
        levels[:, STEPS_A_DAY * day + 1] = np.where(is_known, level, np.nan)
        level = np.clip(level + np.nan_to_num(rise), 0.0, 1.0)
        levels[:, STEPS_A_DAY * (day + 1)] = np.where(is_known, level, np.nan)
    return levels
