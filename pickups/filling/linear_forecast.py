"""How full a bin will be: a straight line through its recent filling, honest about what it does not know."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from core.pickup import Forecast
from devices.waste_bin.level import FULL, MAX_NOISE
from pickups.filling.emptying import Levels, in_order

METHOD: Final = "linear_14d"
WINDOW: Final = timedelta(days=14)
"""Two whole weeks: each weekday twice, and old habits (season, events) forgotten soon."""
MAX_GAP: Final = timedelta(days=3)
"""Across a longer silence an emptying may have gone unseen, so what lies between says nothing of the rate."""
MIN_SPAN: Final = timedelta(hours=12)
"""Less observed filling than this is not extrapolated: half a day is either the busy or the quiet one."""
MAX_HORIZON: Final = timedelta(days=365)
"""Further ahead no date is named."""


def forecast(levels: Levels, at: datetime) -> Forecast | None:
    """The level expected at an instant if the bin is not emptied before, from what was observed until then.

    The rate is the net rise while the bin filled (between takings-out, without long gaps and without the time it was
    full) over the time that took, of the 14 days before the newest level; noise cancels in a net rise.

    Args:
        levels: filling levels 0-1 of one bin in any order; of one instant the last counts, any after `at` are ignored.
        at: the instant asked for, aware UTC.

    Returns:
        None where too little was observed. `full_at` is None when the bin does not fill, or not within a year; never
        before the newest level's instant.
    """
    known = [(observed_at, level) for observed_at, level in in_order(levels) if observed_at <= at]
    if not known:
        return None
    newest_at, newest = known[-1]
    rate = _rise_per_day([(then, level) for then, level in known if then >= newest_at - WINDOW])
    if rate is None:
        return None
    expected = min(1.0, newest + rate * _days(at - newest_at))
    return Forecast(at=at, filling_level=expected, full_at=_full_at(newest_at, newest, rate), method=METHOD)


def _rise_per_day(levels: Levels) -> float | None:
    rise, span = 0.0, timedelta()
    for (before_at, before), (after_at, after) in pairwise(levels):
        if after_at - before_at > MAX_GAP or before - after > MAX_NOISE or before >= FULL:
            continue
        rise += after - before
        span += after_at - before_at
    return max(0.0, rise) / _days(span) if span >= MIN_SPAN else None


def _full_at(newest_at: datetime, newest: float, rate: float) -> datetime | None:
    if newest >= 1:
        return newest_at
    if rate * _days(MAX_HORIZON) < 1 - newest:
        return None
    return newest_at + timedelta(days=(1 - newest) / rate)


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)
