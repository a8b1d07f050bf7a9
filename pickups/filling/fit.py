"""Fits to levels how places fill: rates, factors of the calendar, unevenness and noise, drawn towards the kind."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from devices.waste_bin.level import FULL, MAX_NOISE
from pickups.filling.calendar_factors import (
    QUARTERS,
    Calendar,
    Shares,
    holiday_factor,
    season_factors,
    week_factors,
    weekday_factors,
)
from pickups.filling.inflow import Inflow, inflow
from pickups.filling.level_grid import Indices, LevelGrid, emptyings_before, rises_of
from pickups.filling.place_model import DAYS_A_WEEK, STEPS_A_DAY, Floats

COARSE: Final = 0.05
"""Sensors whose readings come in larger steps may hide contents above the last of them."""
HALF_LIFE_DAYS: Final = 90.0
"""After so long a day counts half for the rate: shops open and benches move. Of 45, 90 and 120 the best on Wyndham
before July 2019 (learned until January, tried on February to June), as were the weights in `habits` and `ahead`."""
_WEEKDAY_LEAN: Final = 12.0
"""A place's own weekdays lean on its kind's as if these had been seen in so many deposits."""
_DAYS_LEAN: Final = 40.0
"""A place's unevenness leans on its kind's as if so many of its days had been seen."""
_SPREAD: Final = (0.05, 4.0)
"""Bounds of the squared relative difference of rates between places of a kind."""
_LEAST_DISPERSION: Final = 0.005
_MOST_NOISE: Final = 0.05
_STUCK: Final = 0.001
"""A run of equal readings that is less probable than this, were the sensor working, is a stuck sensor."""
_LONGEST_RUN_DAYS: Final = 60
_SAMPLE: Final = 20_000
"""Where there are more days a sample of so many tells as much."""
_HEADROOMS: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
_TINY: Final = 1e-9
_RARE: Final = 1e-3
"""The rate of a kind of which nothing is known: a bin in a thousand days."""


@dataclass(frozen=True, slots=True)
class _Days:
    """Days without emptying: place, level at the beginning and at the end, what was expected to come in."""

    place: Indices
    start: Floats
    end: Floats
    expected: Floats


class FillingFit:
    """The fields of `PlaceModel` by place and, `kind_...`, by kind; kind 0 is all places together.

    Args:
        grid: levels by place and step.
        kind_of: number of each place's kind.
        kinds: how many there are.
        calendar: of the steps.
        resolution: step of each place's readings.
        rounds: of fitting; the factors of the calendar settle within three, one gives only rates.
    """

    def __init__(
        self,
        grid: LevelGrid,
        kind_of: Indices,
        kinds: int,
        calendar: Calendar,
        resolution: Floats,
        *,
        rounds: int = 3,
    ) -> None:
        levels = grid.levels
        self._levels, self._kind_of, self._kinds = levels, kind_of, kinds
        self._calendar = calendar
        self._rises = rises_of(levels, grid.before)
        self._emptyings = emptyings_before(levels, grid.before)
        self.resolution = resolution
        self.week = np.ones((kinds, QUARTERS))
        self.own_week = np.ones((len(levels), DAYS_A_WEEK))
        self.season = np.zeros((kinds, 2))
        self.holiday = np.ones(kinds)
        self.dispersion = np.full(len(levels), 0.1)
        self.rate = np.full(len(levels), _RARE)
        for number in range(rounds):
            total = self._expected_days()
            self._fit_rates(total)
            days = self._days(total)
            self._fit_spread(days)
            if number < rounds - 1:
                self._fit_factors(total)
        self.kind_headroom = self._headrooms(days)

    def longest_runs(self) -> Floats:
        """Steps after which a run of equal readings is no chance any more, by place."""
        longest = np.full(len(self._levels), float(_LONGEST_RUN_DAYS * STEPS_A_DAY))
        for days in range(_LONGEST_RUN_DAYS, 0, -1):
            law = inflow(self.rate * days, self.dispersion, self.lump, self.rate_variance)
            longest[law.at_most(self.resolution) < _STUCK] = days * STEPS_A_DAY
        return longest

    def members(self, kind: int) -> NDArray[np.bool_]:
        """The places of a kind."""
        return np.full(len(self._kind_of), True) if kind == 0 else self._kind_of == kind

    def _expected_days(self) -> Floats:
        """Mean days' worth that passed at each place before each step and, last, in all."""
        calendar = self._calendar
        shape = self.week[:, calendar.quarter] * np.exp(
            self.season[:, :1] * np.cos(calendar.angle) + self.season[:, 1:] * np.sin(calendar.angle)
        )
        shape = np.where(calendar.holiday, shape * self.holiday[:, None], shape) / STEPS_A_DAY
        total = np.zeros((len(self._levels), len(calendar.quarter) + 1))
        np.multiply(shape[self._kind_of], self.own_week[:, calendar.weekday], out=total[:, 1:])
        return np.asarray(np.cumsum(total, axis=1, out=total))

    def _fit_rates(self, total: Floats) -> None:
        """Rates by place, drawn towards the kind's, and how sure they are.

        Full, at least what rose came in: where more was expected, nothing is learned. The weight of the kind is what
        one deposit is to the difference between its places: their squared relative difference is 1 / deposits.
        """
        rises = self._rises
        self._passed = total[rises.place, rises.last + 1] - total[rises.place, rises.first]
        rise = rises.after - rises.before
        self._came = np.where(rises.is_full, np.maximum(rise, self.rate[rises.place] * self._passed), rise)
        self._mean = np.maximum(self._sums(self._came), 0.0) / np.maximum(self._sums(self._passed), _TINY)
        self._fit_kinds(self._sums(self._passed))
        recent = 0.5 ** (self._calendar.age_days / HALF_LIFE_DAYS)[rises.last]
        came = np.maximum(self._sums(self._came * recent), 0.0) / self.dispersion
        mean, deposits = self.kind_rate[self._kind_of], 1 / self.kind_rate_variance[self._kind_of]
        passed = self._sums(self._passed * recent) * mean / self.dispersion
        self.rate = mean * (came + deposits) / (passed + deposits)
        self.rate_variance = 1 / (came + deposits)
        self.days = self._sums((rises.last - rises.first + 1) * recent) / STEPS_A_DAY

    def _fit_kinds(self, passed: Floats) -> None:
        """Mean rate of each kind and the squared relative difference of its places from it."""
        self.kind_rate, self.kind_rate_variance = np.full(self._kinds, _RARE), np.ones(self._kinds)
        for kind in range(self._kinds):
            rates = self._mean[self.members(kind) & (passed > 1)]
            if len(rates):
                self.kind_rate[kind] = max(float(rates.mean()), _RARE)
                variance = rates.var() / self.kind_rate[kind] ** 2
                self.kind_rate_variance[kind] = np.clip(variance, *_SPREAD) if len(rates) > 1 else 1.0
            elif kind:
                self.kind_rate[kind], self.kind_rate_variance[kind] = self.kind_rate[0], self.kind_rate_variance[0]

    def _days(self, total: Floats) -> _Days:
        before, after = self._levels[:, :-STEPS_A_DAY], self._levels[:, STEPS_A_DAY:]
        untouched = self._emptyings[:, STEPS_A_DAY:] == self._emptyings[:, :-STEPS_A_DAY]
        with np.errstate(invalid="ignore"):
            place, step = np.nonzero((after - before >= -MAX_NOISE) & (before < FULL) & untouched)
        passed = total[place, step + STEPS_A_DAY + 1] - total[place, step + 1]
        start, end = before[place, step].astype(np.float64), after[place, step].astype(np.float64)
        return _Days(place, start, end, self.rate[place] * passed)

    def _fit_spread(self, days: _Days) -> None:
        """How unevenly whole days fill: variance by mean, probability of nothing, noise of the sensor."""
        told, places = days.end < FULL, len(self._levels)
        place, expected = days.place[told], days.expected[told]
        came = days.end[told] - days.start[told]
        self.noise = self._noises()
        square, exposure = self._unevenness()
        count = np.bincount(place, minlength=places)
        expected_sum = np.bincount(place, expected, minlength=places)
        threshold = np.maximum(self.resolution / 2, 2 * self.noise)
        still = np.bincount(place, np.abs(came) < threshold[place], minlength=places)
        self.kind_dispersion, kind_still = np.full(self._kinds, 0.1), np.full(self._kinds, 0.3)
        for kind in range(self._kinds):
            seen = self.members(kind) & (count > 0)
            if seen.any():
                dispersion = square[seen].sum() / max(exposure[seen].sum(), _TINY)
                self.kind_dispersion[kind] = max(float(dispersion), _LEAST_DISPERSION)
                kind_still[kind] = still[seen].sum() / count[seen].sum()
        lean = _DAYS_LEAN * np.maximum(self.rate, _RARE)
        self.dispersion = np.maximum(
            (np.maximum(square, 0) + lean * self.kind_dispersion[self._kind_of]) / (exposure + lean),
            _LEAST_DISPERSION,
        )
        share_still = (still + _DAYS_LEAN * kind_still[self._kind_of]) / (count + _DAYS_LEAN)
        self.lump = self._lumps(share_still, (expected_sum + lean) / (count + _DAYS_LEAN), threshold)

    def _unevenness(self) -> tuple[Floats, Floats]:
        """Squares of what came too much or too little in each day, and what was expected in those days, by place.

        A day in which the bin was emptied counts with the rest of it: left out, the heavy days would be missing.
        """
        rises, places = self._rises, len(self._levels)
        days = self._levels.shape[1] // STEPS_A_DAY + 1
        day = rises.place * days + rises.last // STEPS_A_DAY
        expected = self.rate[rises.place] * self._passed
        over = np.bincount(day, self._came - expected, places * days).reshape(places, days)
        spans = np.bincount(rises.place, minlength=places) if places else np.zeros(0)
        seen = np.minimum((over != 0).sum(axis=1), spans)
        return (over**2).sum(axis=1) - 2 * self.noise**2 * seen, self._sums(expected)

    def _lumps(self, share_still: Floats, mean_day: Floats, threshold: Floats) -> Floats:
        """The `lump` with which days show no change as often as they did, as far as readings tell."""
        best, lumps = np.full(len(share_still), np.inf), np.zeros(len(share_still))
        for nothing in np.linspace(1e-6, 0.98, 50):
            lump = mean_day / -np.log(nothing)
            miss = np.abs(inflow(mean_day, self.dispersion, lump, 0.0).at_most(threshold) - share_still)
            lumps = np.where(miss < best, lump, lumps)
            best = np.minimum(miss, best)
        return lumps

    def _noises(self) -> Floats:
        """Noise of each fine sensor: what one reading is too high, the next rise is too low."""
        rises, places = self._rises, len(self._levels)
        over = self._came - self.rate[rises.place] * self._passed
        is_next = (rises.place[1:] == rises.place[:-1]) & (rises.first[1:] == rises.last[:-1] + 1)
        place = rises.place[1:][is_next]
        product = np.bincount(place, (over[1:] * over[:-1])[is_next], minlength=places)
        square = -product / np.maximum(np.bincount(place, minlength=places), 1)
        return np.where(self.resolution < COARSE, np.sqrt(np.clip(square, 0.0, _MOST_NOISE**2)), 0.0)

    def _fit_factors(self, total: Floats) -> None:
        """Factors of the calendar by kind, and of each place's own weekdays, against the mean rate of all the time."""
        shares = self._shares(total)
        usual = shares.at(~self._calendar.holiday)
        for kind in range(self._kinds):
            inside = shares.of(self.members(kind))
            if not len(inside.step):
                self.week[kind], self.season[kind] = self.week[0], self.season[0]
                continue
            self.week[kind] = week_factors(usual.of(self.members(kind)), self._calendar, self.week[kind])
            self.holiday[kind] = holiday_factor(inside, self._calendar, self.holiday[kind])
            self.season[kind] = season_factors(
                inside, self._calendar, self.season[kind], float(self.kind_dispersion[kind])
            )
        usual = self._shares(self._expected_days()).at(~self._calendar.holiday)
        self.own_week = weekday_factors(usual, self._calendar, self.own_week, self.dispersion, _WEEKDAY_LEAN)

    def _shares(self, total: Floats) -> Shares:
        """What came in a span is shared among its steps as it was expected."""
        rises = self._rises
        length = rises.last - rises.first + 1
        place = np.repeat(rises.place, length)
        begin = np.repeat(np.cumsum(length) - length, length)
        step = np.repeat(rises.first, length) + np.arange(len(place)) - begin
        passed = total[place, step + 1] - total[place, step]
        in_span = total[rises.place, rises.last + 1] - total[rises.place, rises.first]
        came = passed * np.repeat(self._came / np.maximum(in_span, _TINY), length)
        return Shares(place, step, came, self._mean[place] * passed)

    def _headrooms(self, days: _Days) -> Floats:
        """The headroom with which as many days of coarse sensors end full as did, by kind."""
        found = np.zeros(self._kinds)
        is_coarse = (self.resolution >= COARSE)[days.place]
        for kind in range(self._kinds):
            some = np.nonzero(self.members(kind)[days.place] & is_coarse)[0]
            some = some[:: max(1, len(some) // _SAMPLE)]
            law = self._law(days.place[some], days.expected[some])
            full = int((days.end[some] >= FULL).sum())
            chance = 2 * np.sqrt(full + 1)  # two standard deviations of a Poisson count: less is no headroom
            for headroom in _HEADROOMS:
                found[kind] = headroom
                if (1 - law.at_most(1 - days.start[some] + headroom - _TINY)).sum() <= full + chance:
                    break
        return found

    def _law(self, place: Indices, mean: Floats) -> Inflow:
        return inflow(mean, self.dispersion[place], self.lump[place], self.rate_variance[place])

    def _sums(self, values: Floats) -> Floats:
        return np.bincount(self._rises.place, values, minlength=len(self._levels)).astype(np.float64)
