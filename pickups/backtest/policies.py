"""Policies of a backtest: which bins to empty this morning, from nothing but what sensors have said until then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from core.device import DEFAULT_LEAST_LEVEL
from pickups.backtest.deposits import Flags, Floats

Whole = npt.NDArray[np.int64]

FREQUENCIES: Final[tuple[tuple[float, tuple[int, ...]], ...]] = (
    (0.5, (0,)),
    (1.0, (0,)),
    (2.0, (0, 3)),
    (3.0, (0, 2, 4)),
    (5.0, (0, 1, 2, 3, 4)),
)
"""Rounds a week and their weekdays (0 Monday); the first in even weeks only. All bins share the days: fewest trips."""
FULL: Final = 1.0
_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning:
    """What is known on the morning of a working day, before the round.

    `chances`: days from today to the next, second next... working day. `levels` (0-1) of the bins as sensors say.
    `rises` (days x bins, NaN: unknown): by how much each bin filled on each day from `first_day` until yesterday;
    `at_least` where it was full at the end, so that it may have been more.
    """

    day: date
    chances: tuple[int, ...]
    levels: Floats
    first_day: date
    rises: Floats


@dataclass(frozen=True, slots=True)
class Choice:
    """Bins that must be emptied today, and what leaving each of the others out costs (metres; 0: not offered)."""

    required: Flags
    prizes: Whole


class Policy(Protocol):
    """Chooses each working day; one object lives through the days of one area in their order."""

    @property
    def name(self) -> str:
        """Short, for tables."""
        ...

    def choose(self, morning: Morning) -> Choice:
        """What is to be emptied."""
        ...


class OverflowForecast(Protocol):
    """Says how likely bins are to overflow."""

    def overflow_probability(self, levels: Floats, day: date, days: int) -> Floats:
        """Of each bin at these levels (0-1) on the morning of `day`, before the morning `days` later if left alone."""
        ...


Learn = Callable[[Floats, date], OverflowForecast]
"""Learns from rises (days x bins, NaN: unknown) that begin on a day."""


def _required(flags: Flags) -> Choice:
    return Choice(flags, np.zeros(len(flags), dtype=np.int64))


@dataclass(slots=True)
class FixedRounds:
    """Each bin on its fixed weekdays whatever it holds; a round that falls on a holiday is made up on the next day.

    `rounds`: place in `FREQUENCIES` of each bin.
    """

    name: str
    rounds: Sequence[int]
    _done_until: date | None = None

    def choose(self, morning: Morning) -> Choice:
        """The bins whose day has come since the last working day."""
        first = morning.day if self._done_until is None else self._done_until + timedelta(days=1)
        days = [first + timedelta(days=number) for number in range((morning.day - first).days + 1)]
        self._done_until = morning.day
        on = [any(_is_round(frequency, day) for day in days) for frequency in range(len(FREQUENCIES))]
        return _required(np.array([on[frequency] for frequency in self.rounds], dtype=np.bool_))


def _is_round(frequency: int, day: date) -> bool:
    per_week, weekdays = FREQUENCIES[frequency]
    return day.weekday() in weekdays and (per_week >= 1 or day.isocalendar().week % 2 == 0)


def fixed_rounds(
    shares: Floats, first_day: date, works: Flags, service_level: float, *, name: str = "fixed"
) -> FixedRounds:
    """Each bin's lowest frequency at which, on past deposits, it would not have overflowed on so many of its days.

    That is how councils set intervals: a bin that is found full too often goes to the next shorter one. A bin that no
    frequency is enough for is emptied on every working day.

    Args:
        shares: past deposits (days x bins) as shares of the bins.
        first_day: of these.
        works: which of these days are working days.
        service_level: share (0-1) of its days on which a bin has to have room for all that came.
        name: of the policy.
    """
    bins = shares.shape[1]
    chosen = np.full(bins, len(FREQUENCIES) - 1)
    for frequency in reversed(range(len(FREQUENCIES))):
        policy = FixedRounds("", [frequency] * bins)
        levels, overflows = np.zeros(bins), np.zeros(bins)
        for index, (arrived, is_working) in enumerate(zip(shares, works, strict=True)):
            day = first_day + timedelta(days=index)
            if is_working:
                morning = Morning(day=day, chances=(), levels=levels, first_day=day, rises=shares[:0])
                levels = np.where(policy.choose(morning).required, 0.0, levels)
            levels = levels + arrived
            overflows += levels > FULL + _EPSILON
            levels = np.minimum(levels, FULL)
        kept = 1 - overflows / max(1, len(shares)) >= service_level
        chosen[kept] = frequency
    return FixedRounds(name, chosen.tolist())


@dataclass(frozen=True, slots=True)
class Threshold:
    """Every bin at this level (0-1) or above."""

    name: str
    level: float

    def choose(self, morning: Morning) -> Choice:
        """Those bins."""
        return _required(morning.levels >= self.level - _EPSILON)


@dataclass(frozen=True, slots=True)
class Fullest:
    """The `count` fullest bins, whatever that means for the way; empty ones are left."""

    name: str
    count: int

    def choose(self, morning: Morning) -> Choice:
        """Those bins."""
        required = np.zeros(len(morning.levels), dtype=np.bool_)
        required[np.argsort(-morning.levels, kind="stable")[: self.count]] = True
        return _required(required & (morning.levels > 0))


@dataclass(slots=True, kw_only=True)
class PrizeCollecting:
    """Ours: chosen and routed together, by the probability P of overflow before the next chances.

    Required where P before the next chance is at least `required`; else worth `rho_m` x P (Wouda, Aerts-Veenstra, van
    Foreest 2024, arXiv 2409.13386), and `soon_m` x P before the chance after `look_ahead` more: what it saves not to
    come back for it so soon, so that bins near the way are taken along. Bins below `least_level` only when required.
    """

    name: str
    learn: Learn
    rho_m: float
    required: float = 0.99
    least_level: float = DEFAULT_LEAST_LEVEL
    soon_m: float = 0.0
    look_ahead: int = 1
    learn_every: int = 28
    """Days between learning anew."""
    _forecast: OverflowForecast | None = None
    _learned_on: date = date.min

    def choose(self, morning: Morning) -> Choice:
        """Required and optional bins with their prizes."""
        forecast = self._forecast
        if forecast is None or (morning.day - self._learned_on).days >= self.learn_every:
            forecast = self._forecast = self.learn(morning.rises, morning.first_day)
            self._learned_on = morning.day
        chances = forecast.overflow_probability
        now = chances(morning.levels, morning.day, morning.chances[0])
        prizes = self.rho_m * now
        if self.soon_m:
            later = morning.chances[min(self.look_ahead, len(morning.chances) - 1)]
            prizes = prizes + self.soon_m * chances(morning.levels, morning.day, later)
        required = now >= self.required
        offered = ~required & (morning.levels >= self.least_level)
        return Choice(required, np.where(offered, prizes, 0).astype(np.int64))
