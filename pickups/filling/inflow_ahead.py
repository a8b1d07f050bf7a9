"""What comes into bins from their newest level on: the law of it at any later instant, for many places at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devices.waste_bin.level import FULL
from pickups.filling.inflow import Inflow, inflow
from pickups.filling.place_model import (
    BANDS,
    CALENDAR,
    STEP,
    STEPS_A_DAY,
    Floats,
    PlaceModel,
    is_holiday,
    quarter_of_week,
    season_angle,
)

MAX_HORIZON: Final = timedelta(days=365)
"""Further ahead no date is named."""
DAY_S: Final = 86_400
_HALVINGS: Final = 24
"""A year halved so often is two seconds."""
_STUCK_BEFORE: Final = 0.003
"""Of three hundred bins one has a stuck sensor, before its readings are looked at."""
_SHARES: Final = (np.arange(64) + 0.5) / 64
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True)
class NewestLevel:
    """Where a forecast starts: a level 0-1 and when it was observed (aware UTC).

    `unchanged_since`: the first of the readings in a row that say the same, as far as known.
    """

    filling_level: float
    observed_at: datetime
    unchanged_since: datetime | None = None


class InflowAhead:
    """What comes in from each place's newest level on."""

    def __init__(
        self,
        models: Sequence[PlaceModel],
        newest: Sequence[NewestLevel],
        *,
        zone: ZoneInfo,
    ) -> None:
        self.level = np.clip([level.filling_level for level in newest], 0.0, 1.0)
        self.from_s = np.array([level.observed_at.timestamp() for level in newest])
        self._models, self._newest = models, newest
        self.full = 1 + np.array([model.headroom for model in models])
        self.top = np.array([1 - model.resolution if model.headroom else 1.0 for model in models])
        self.noise = np.array([model.noise for model in models])
        self._rate = np.array([model.rate for model in models])
        self._dispersion = np.array([model.dispersion for model in models])
        self._lump = np.array([model.lump for model in models])
        self._rate_variance = np.array([model.rate_variance for model in models])
        step_s = STEP.total_seconds()
        self._begin_s = math.floor(self.from_s.min() / step_s) * step_s
        last_s = self.from_s.max() + CALENDAR.total_seconds()
        steps = math.ceil((last_s - self._begin_s) / step_s)
        instants = [datetime.fromtimestamp(self._begin_s + (n + 0.5) * step_s, UTC) for n in range(steps)]
        angle = season_angle(instants)
        factor = np.array([model.week for model in models])[:, quarter_of_week(instants, zone)]
        season = np.array([model.season for model in models])
        factor = factor * np.exp(season[:, :1] * np.cos(angle) + season[:, 1:] * np.sin(angle))
        days_off = frozenset(day for model in models for day in model.days_off)
        holiday = np.array([model.holiday for model in models])
        factor = np.where(is_holiday(instants, zone, days_off), factor * holiday[:, None], factor)
        self._total = np.concatenate((np.zeros((len(models), 1)), np.cumsum(factor, axis=1)), axis=1)
        self._total *= self._rate[:, None] / STEPS_A_DAY

    def until(self, at: datetime) -> Floats:
        """An instant in seconds for each place, not before its start."""
        return np.asarray(np.maximum(self.from_s, at.timestamp()), dtype=np.float64)

    def law(self, until_s: Floats, from_s: Floats | None = None) -> Inflow:
        """What comes in from each place's start (or another instant) until the given one."""
        mean = self._came(until_s) - self._came(self.from_s if from_s is None else from_s)
        return inflow(mean, self._dispersion, self._lump, self._rate_variance)

    def stuck(self) -> Floats:
        """Probability that each sensor is stuck, by how long its readings are the same: Bayes' rule.

        A working sensor says the same while too little comes in to show, or while the bin is full and nobody empties.
        """
        since_s = np.array([(level.unchanged_since or level.observed_at).timestamp() for level in self._newest])
        days = np.maximum(self.from_s - since_s, 0.0) / DAY_S
        law = inflow(self._rate * days, self._dispersion, self._lump, self._rate_variance)
        step = np.array([model.resolution for model in self._models])
        still = law.at_most(step)
        kept = (1 - emptied_by_band(self._models)[np.arange(len(days)), band(self.level)]) ** days
        working = np.where(self.level >= FULL, kept, still * kept)
        return np.asarray(_STUCK_BEFORE / (_STUCK_BEFORE + (1 - _STUCK_BEFORE) * working))

    def mean_level(self, law: Inflow) -> Floats:
        """The mean level, which ends at 1: by its quantiles, 64 of them."""
        return np.asarray(np.mean([self.level_after(law.quantile(share)) for share in _SHARES], axis=0))

    def level_after(self, amount: Floats) -> Floats:
        """The level after so much came in; what no longer fits is not seen."""
        contents = self.level + amount
        return np.where(contents >= self.full, 1.0, np.minimum(contents, np.maximum(self.top, self.level)))

    def is_full(self, law: Inflow) -> Floats:
        """Probability that the bin is full after that came in."""
        return np.where(self.level >= FULL, 1.0, 1 - law.at_most(self.full - self.level - _TINY))

    def full_at(self, share: float) -> list[datetime | None]:
        """The instant by which each place is full with this probability."""
        early, late = self.from_s.copy(), self.from_s + MAX_HORIZON.total_seconds()
        is_ever = self.is_full(self.law(late)) >= share
        for _ in range(_HALVINGS):
            middle = (early + late) / 2
            is_full = self.is_full(self.law(middle)) >= share
            late, early = np.where(is_full, middle, late), np.where(is_full, early, middle)
        return [
            datetime.fromtimestamp(round(at), UTC) if ever else None for at, ever in zip(late, is_ever, strict=True)
        ]

    def _came(self, until_s: Floats) -> Floats:
        """What is expected from the grid's begin until each instant; beyond its end by the mean rate."""
        place = np.clip((until_s - self._begin_s) / STEP.total_seconds(), 0.0, None)
        last = self._total.shape[1] - 1
        whole = np.minimum(place.astype(np.intp), last - 1)
        rows = np.arange(len(self._total))
        inside = self._total[rows, whole]
        part = np.minimum(place - whole, 1.0)
        beyond = np.maximum(place - last, 0.0) * self._rate / STEPS_A_DAY
        return np.asarray(inside + part * (self._total[rows, whole + 1] - inside) + beyond)


def emptied_by_band(models: Sequence[PlaceModel]) -> Floats:
    """Probability of an emptying within a day by place and band of levels."""
    return np.array([model.emptied for model in models])


def band(level: Floats) -> NDArray[np.intp]:
    """The band (tenth) of each level."""
    return np.minimum((level * BANDS + 1e-6).astype(np.intp), BANDS - 1)
