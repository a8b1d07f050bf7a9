"""Factors on how fast bins fill: quarter of the week, season, public holidays; from what came and was expected."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pickups.filling.level_grid import Indices, LevelGrid
from pickups.filling.place_model import (
    DAYS_A_WEEK,
    STEPS_A_DAY,
    Floats,
    is_holiday,
    quarter_of_week,
    season_angle,
)

SEASON_FROM_DAYS: Final = 300
"""A season is told from a trend only when most of a year was seen."""
QUARTERS: Final = DAYS_A_WEEK * STEPS_A_DAY
_LEAN_DAYS: Final = 28.0
"""A kind's factors lean on what they were taken for as if that had been seen on so many days."""
_SEASON_VARIANCE: Final = 0.05
"""The wave's two parts have it: a quarter more in summer than in the mean is usual (parks), twice as much is not."""
_MONTH: Final = 28 * STEPS_A_DAY
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Calendar:
    """What is known of each step of a grid."""

    quarter: Indices
    angle: Floats
    holiday: NDArray[np.bool_]
    age_days: Floats

    @classmethod
    def of(cls, grid: LevelGrid, zone: ZoneInfo, holidays: frozenset[date]) -> "Calendar":
        """The calendar of a grid in local time."""
        instants = grid.instants
        return cls(
            quarter_of_week(instants, zone),
            season_angle(instants),
            is_holiday(instants, zone, holidays),
            np.arange(len(instants))[::-1] / STEPS_A_DAY,
        )

    @property
    def weekday(self) -> Indices:
        """Of each step, Monday 0."""
        return self.quarter // STEPS_A_DAY


@dataclass(frozen=True, slots=True)
class Shares:
    """What came into bins and what was expected to, by step and place; one item per step of filling."""

    place: Indices
    step: Indices
    came: Floats
    expected: Floats

    def of(self, places: NDArray[np.bool_]) -> "Shares":
        """Those of some places."""
        return self._where(places[self.place])

    def at(self, steps: NDArray[np.bool_]) -> "Shares":
        """Those of some steps."""
        return self._where(steps[self.step])

    def _where(self, inside: NDArray[np.bool_]) -> "Shares":
        return Shares(self.place[inside], self.step[inside], self.came[inside], self.expected[inside])


def week_factors(shares: Shares, calendar: Calendar, week: Floats) -> Floats:
    """The factors of the 28 quarter days of the week, of mean 1, made better."""
    quarter = calendar.quarter[shares.step]
    came = np.bincount(quarter, shares.came, QUARTERS)
    expected = np.bincount(quarter, shares.expected, QUARTERS)
    lean = _lean(shares) / QUARTERS
    better = np.maximum(week * np.maximum(came + lean, 0.0) / (expected + lean), 0.001)
    return np.asarray(better / better.mean())


def holiday_factor(shares: Shares, calendar: Calendar, holiday: float) -> float:
    """The factor of public holidays against their weekdays, made better."""
    is_off = calendar.holiday[shares.step]
    lean = _lean(shares) / (2 * DAYS_A_WEEK)
    factor = holiday * max(shares.came[is_off].sum() + lean, 0.0) / (shares.expected[is_off].sum() + lean)
    return float(np.clip(factor, 0.05, 10.0))


def season_factors(shares: Shares, calendar: Calendar, season: Floats, size: float) -> Floats:
    """The yearly wave of `PlaceModel.season`, made better: least squares on the logarithms of four weeks' ratios.

    Drawn towards none by a normal prior; `size` is that of one deposit, whose number says how sure a ratio is.
    """
    steps = len(calendar.quarter)
    if steps < SEASON_FROM_DAYS * STEPS_A_DAY:
        return np.zeros(2)
    months = steps // _MONTH + 1
    came = np.bincount(shares.step // _MONTH, shares.came, months)
    expected = np.bincount(shares.step // _MONTH, shares.expected, months)
    angle = calendar.angle[np.minimum(np.arange(months) * _MONTH + _MONTH // 2, steps - 1)]
    rows = np.stack((np.cos(angle), np.sin(angle), np.ones(months)), axis=1)
    ratio = np.log(np.maximum(came, 0.1 * expected + _TINY) / np.maximum(expected, _TINY))
    weighted = rows * (expected / size)[:, None]
    ridge = np.diag([1 / _SEASON_VARIANCE, 1 / _SEASON_VARIANCE, 0.0])
    found = np.linalg.lstsq(rows.T @ weighted + ridge, weighted.T @ (ratio + rows[:, :2] @ season), rcond=None)[0]
    return np.asarray(np.clip(found[:2], -1.0, 1.0))


def weekday_factors(shares: Shares, calendar: Calendar, own: Floats, size: Floats, lean: float) -> Floats:
    """Each place's own weekdays against its kind's, of mean 1, made better.

    Args:
        shares: of all places.
        calendar: of the steps.
        own: factors by place and weekday so far.
        size: of one deposit, by place: what came is counted in deposits.
        lean: the factors so far are held as if seen in so many deposits.
    """
    cell = shares.place * DAYS_A_WEEK + calendar.weekday[shares.step]
    came = np.bincount(cell, shares.came, own.size).reshape(own.shape) / size[:, None]
    expected = np.bincount(cell, shares.expected, own.size).reshape(own.shape) / size[:, None]
    better = np.clip(own * (np.maximum(came, 0.0) + lean / own) / (expected + lean / own), 0.05, DAYS_A_WEEK)
    return np.asarray(better / better.mean(axis=1, keepdims=True))


def _lean(shares: Shares) -> float:
    """What is expected in the days that stand for what the factors were taken for."""
    return float(_LEAN_DAYS * STEPS_A_DAY * shares.expected.sum() / max(len(shares.step), 1)) + _TINY
