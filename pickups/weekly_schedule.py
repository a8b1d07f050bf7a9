"""A fixed weekly schedule in thought: on which days bins would have been full; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pickups.filling.emptying import MIN_DROP

FULL_LEVEL: Final = 0.95
"""A bin counts as full from here: sensors read a brim-full bin some percent low (noise, uneven contents)."""
WORKING_DAYS_A_WEEK: Final = 5


@dataclass(frozen=True, slots=True)
class BinDay:
    """The lowest and highest level of a bin on one day."""

    day: date
    low: float
    high: float


def weekly_overflow_days(days: Sequence[BinDay], emptied_on: frozenset[date], compared: frozenset[date]) -> float:
    """On how many of the `compared` days a bin would have been full, emptied every Monday (or Tuesday ... Friday).

    What came into the bin is told by its levels; the weekday is not known, so it is the mean of the five. What was
    thrown in while it was full in fact is not known either: the answer is rather too low.

    Args:
        days: the levels, ascending; days without are left out.
        emptied_on: when it was emptied in fact, as far as its levels do not show it.
        compared: the days that count.
    """
    filled = list(zip((day.day for day in days), _increments(days, emptied_on), strict=True))
    total = 0
    for weekday in range(WORKING_DAYS_A_WEEK):
        level = days[0].low if days else 0.0
        before: date | None = None
        for day, increment in filled:
            if _has_weekday(before, day, weekday):
                level = 0.0
            level += increment
            total += level >= FULL_LEVEL - 1e-9 and day in compared
            before = day
    return total / WORKING_DAYS_A_WEEK


def _increments(days: Sequence[BinDay], emptied_on: frozenset[date]) -> list[float]:
    """What came into the bin on each day, as a share of it; a level that falls by `MIN_DROP` is an emptying too."""
    emptied = []
    reached = 0.0  # where the level stood at the end of the day before, as far as that can be told
    for day in days:
        emptied.append(day.day in emptied_on or reached - day.low >= MIN_DROP)
        reached = day.low if emptied[-1] else day.high
    increments = []
    for index, day in enumerate(days):
        was_emptied = index > 0 and emptied[index - 1]
        if emptied[index]:
            until = (
                max(0.0, day.high - (days[index - 1].low if was_emptied else days[index - 1].high)) if index else 0.0
            )
            is_alone = index + 1 < len(days) and not emptied[index + 1]
            increments.append(until + (max(0.0, days[index + 1].low - day.low) if is_alone else 0.0))
        elif index == 0 or was_emptied:
            increments.append(day.high - day.low)
        else:
            increments.append(max(0.0, day.high - days[index - 1].high))
    return increments


def _has_weekday(before: date | None, day: date, weekday: int) -> bool:
    """Whether a weekday lies after one day and up to another."""
    since = (day.weekday() - weekday) % 7
    return since == 0 if before is None else since < (day - before).days
