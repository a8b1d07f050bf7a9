"""Bins emptied by the calendar, computed by hand."""

from datetime import date, timedelta

import pytest

from pickups.weekly_schedule import BinDay, weekly_overflow_days

MONDAY = date(2026, 5, 4)


def test_a_weekly_schedule_lets_a_fast_bin_overflow() -> None:
    """A bin that takes 0.2 a day is full on the fifth, sixth and seventh day after each emptying: 3 of 7 days.

    In fact it was emptied every second day and never was full. Four weeks that begin on a Monday: the schedule's
    first emptying comes sooner or later, by its weekday, as the levels start at 0.
    """
    days = [MONDAY + timedelta(days=number) for number in range(28)]
    emptied = frozenset(days[1::2])
    # Emptied in the evening of every second day: 0.0-0.2, then 0.2-0.4 and down to 0.
    levels = [BinDay(day, 0.0, 0.4) if day in emptied else BinDay(day, 0.0, 0.2) for day in days]
    # Monday: emptied on days 0, 7, 14, 21, so full on 4-6, 11-13, ...: 12 days. Tuesday: first on day 1, full on
    # 5-7, 12-14, 19-21, 26-27: 11. Wednesday: 10 (6-8, 13-15, 20-22, 27); Thursday: 9. Friday: day 4 is emptied
    # before it is full, so 8-10, 15-17, 22-24: 9.
    assert weekly_overflow_days(levels, emptied, frozenset(days)) == pytest.approx((12 + 11 + 10 + 9 + 9) / 5)
    assert 7 < weekly_overflow_days(levels, frozenset(), frozenset(days)) < 51 / 5  # levels alone show most of it
    assert weekly_overflow_days(levels, emptied, frozenset()) == 0
    assert weekly_overflow_days([], frozenset(), frozenset(days)) == 0


def test_a_slow_bin_never_overflows_weekly() -> None:
    days = [MONDAY + timedelta(days=number) for number in range(28)]
    levels = [BinDay(day, 0.03 * number, 0.03 * (number + 1)) for number, day in enumerate(days)]
    assert weekly_overflow_days(levels, frozenset(), frozenset(days)) == 0
