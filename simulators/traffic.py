"""Who passes along a street: walkers, cyclists and cars as a Poisson process over hour and weekday."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.placement import Row
from simulators.randomness import generator
from simulators.world import HOUR_S, Instants, LocalHour, World

Indices = npt.NDArray[np.int64]

# Relative to the mean hour (assumed shapes): commuters' peaks on workdays, afternoons on days off, few at night.
_WORKDAY: Final = (
    *(0.12, 0.07, 0.04, 0.04, 0.12, 0.45, 1.1, 2.0, 1.7, 1.2, 1.1, 1.2),
    *(1.35, 1.4, 1.4, 1.6, 2.0, 2.1, 1.7, 1.2, 0.8, 0.55, 0.45, 0.25),
)
_DAY_OFF: Final = (
    *(0.5, 0.35, 0.25, 0.15, 0.12, 0.18, 0.3, 0.5, 0.8, 1.1, 1.4, 1.5),
    *(1.5, 1.6, 1.7, 1.7, 1.6, 1.4, 1.2, 1.0, 0.8, 0.7, 0.7, 0.6),
)
KINDS: Final = ("walker", "cyclist", "car")
_SHARES: Final = (0.3, 0.25, 0.45)
_SLOWEST: Final = np.array([1.1, 3.8, 7.0])
_FASTEST: Final = np.array([1.7, 6.9, 13.9])
"""Metres per second; 13.9 is 50 km/h."""
_WALKED_LAMPS: Final = (4, 31)
"""A walker passes so many lamps (from, below) before turning into a door or side street."""
LONGEST_PASSAGE_H: Final = 2
"""Nobody is longer on the way: 30 lamps at 200 m (the widest spacing of a region file) are 1.5 hours on foot."""


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages as columns: when each begins, seconds from lamp to lamp, first and last lamp, place in `KINDS`."""

    start_s: Instants
    pace_s: Instants
    first: Indices
    last: Indices
    kind: Indices

    def at_lamp(self, lamp: int) -> Instants:
        """When passers-by are at a lamp (its place in the row), ascending."""
        passes = (np.minimum(self.first, self.last) <= lamp) & (lamp <= np.maximum(self.first, self.last))
        at_s: Instants = self.start_s[passes] + np.abs(lamp - self.first[passes]) * self.pace_s[passes]
        return np.sort(at_s)


class Traffic:
    """The passages along one row of lamps; each hour is drawn by itself, so history and live agree."""

    def __init__(self, row: Row, world: World, seed: int) -> None:
        self.row = row
        self._world = world
        self._seed = seed

    def rate_per_s(self, at: LocalHour) -> float:
        """Passages per second expected in an hour."""
        profile = _DAY_OFF if at.day_off else _WORKDAY
        return self.row.passages_per_day * profile[at.hour] / sum(profile) / HOUR_S

    def passages(self, first_hour: int, hours: int = 1) -> Passages:
        """Passages that begin in so many hours from `first_hour` on (counted since 1970-01-01T00:00:00Z)."""
        drawn = [self._hour(hour) for hour in range(first_hour, first_hour + hours)]
        return Passages(
            np.concatenate([part.start_s for part in drawn]),
            np.concatenate([part.pace_s for part in drawn]),
            np.concatenate([part.first for part in drawn]),
            np.concatenate([part.last for part in drawn]),
            np.concatenate([part.kind for part in drawn]),
        )

    def between(self, start_s: float, end_s: float, count: int) -> Passages:
        """So many passages that begin within a span, more of them in its busier hours."""
        rng = generator(self._seed, "span", self.row.municipality, self.row.street, round(start_s))
        hours = np.arange(math.floor(start_s / HOUR_S), math.ceil(end_s / HOUR_S))
        begins, ends = np.maximum(hours * HOUR_S, start_s), np.minimum((hours + 1) * HOUR_S, end_s)
        expected = np.array([self.rate_per_s(self._world.local_hour(int(hour))) for hour in hours]) * (ends - begins)
        chosen = rng.choice(len(hours), size=count, p=expected / expected.sum())
        return self._drawn(rng, np.sort(begins[chosen] + rng.random(count) * (ends - begins)[chosen]))

    def _hour(self, hour: int) -> Passages:
        rng = generator(self._seed, "traffic", self.row.municipality, self.row.street, hour)
        count = int(rng.poisson(self.rate_per_s(self._world.local_hour(hour)) * HOUR_S))
        return self._drawn(rng, (hour + np.sort(rng.random(count))) * HOUR_S)

    def _drawn(self, rng: np.random.Generator, start_s: Instants) -> Passages:
        count, lamps = len(start_s), len(self.row.lamps)
        kind = rng.choice(3, size=count, p=_SHARES)
        speed = _SLOWEST[kind] + rng.random(count) * (_FASTEST[kind] - _SLOWEST[kind])
        forth = rng.random(count) < 0.5  # noqa: PLR2004 - either way
        walk_from = rng.integers(0, lamps, count)
        walk_to = walk_from + np.where(forth, 1, -1) * rng.integers(*_WALKED_LAMPS, count)
        walks = kind == 0
        first = np.where(walks, walk_from, np.where(forth, 0, lamps - 1))
        last = np.where(walks, np.clip(walk_to, 0, lamps - 1), np.where(forth, lamps - 1, 0))
        pace_s = self.row.spacing_m / speed
        return Passages(start_s, pace_s, first.astype(np.int64), last.astype(np.int64), kind.astype(np.int64))
