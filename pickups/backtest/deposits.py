"""What people put into bins day by day, whoever empties them: the demand that a backtest replays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MAX_SPREAD: Final = timedelta(days=3)
"""A rise seen after so long a gap is spread evenly over its days; after a longer one nothing is known of them."""
FULL: Final = 1.0
_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposits:
    """Deposits per day and bin as shares of the bin's volume, both arrays days x bins.

    A day lasts from its morning (before the round) to the next morning. `seen`: False where the share is not from
    readings but drawn.
    """

    device_ids: tuple[str, ...]
    first_day: date
    shares: Floats
    seen: Flags

    @property
    def days(self) -> int:
        """How many days there are."""
        return len(self.shares)

    def index(self, day: date) -> int:
        """The row of a day; may lie outside."""
        return (day - self.first_day).days


def deposits_of(levels: Mapping[str, Mapping[date, float]], *, seed: int = 0) -> Deposits:
    """Deposits from one level (0-1) a day and bin: the rises between readings, emptyings taken out.

    A day is unknown where the level fell (emptied), where it was full already (what comes then is put beside the bin),
    and within gaps of more than three days. Unknown days are drawn from the known ones of the same bin, on weekends
    from its weekends; where the bin was emptied, no less than what lay in it afterwards. A bin with nothing known has
    no deposits.

    Args:
        levels: by bin and local day, at least one level.
        seed: of the draws.

    Returns:
        From the first day of any bin to the day before the last, bins in order of their ids.
    """
    device_ids = tuple(sorted(levels))
    first = min(min(known) for known in levels.values())
    last = max(max(known) for known in levels.values())
    days = (last - first).days
    shares = np.full((days, len(device_ids)), np.nan)
    least = np.zeros_like(shares)
    for place, device_id in enumerate(device_ids):
        known = levels[device_id]
        for day, next_day in pairwise(sorted(known)):
            begin, end = (day - first).days, (next_day - first).days
            before, after = known[day], known[next_day]
            if after < before - _EPSILON:
                least[end - 1, place] = after
            elif before < FULL - _EPSILON and next_day - day <= MAX_SPREAD:
                shares[begin:end, place] = (after - before) / (end - begin)
    seen = ~np.isnan(shares)
    weekend = np.array([(first + timedelta(days=day)).weekday() >= 5 for day in range(days)])  # noqa: PLR2004 - Saturday
    rng = np.random.Generator(np.random.PCG64(seed))
    for place in range(len(device_ids)):
        _draw(shares[:, place], weekend, rng)
    return Deposits(device_ids=device_ids, first_day=first, shares=np.maximum(shares, least), seen=seen)


def _draw(shares: Floats, weekend: Flags, rng: np.random.Generator) -> None:
    """Fill the unknown days of one bin in place."""
    known = ~np.isnan(shares)
    everything = shares[known]
    for kind in (weekend, ~weekend):
        pool = shares[known & kind]
        if not len(pool):
            pool = everything
        missing = ~known & kind
        shares[missing] = rng.choice(pool, int(missing.sum())) if len(pool) else 0.0


def working_days(first: date, days: int, holidays: Sequence[date] | frozenset[date], weekdays: int = 5) -> Flags:
    """Whether vehicles go out on each of so many days: the first `weekdays` of the week but no public holiday."""
    free = frozenset(holidays)
    dates = (first + timedelta(days=day) for day in range(days))
    return np.array([day.weekday() < weekdays and day not in free for day in dates], dtype=np.bool_)
