"""Bins by the day say what the same bins fill by the hour."""

from datetime import UTC, date, datetime, timedelta

import pytest

from simulators.bin_days import MORNING_UTC, daily_deposits
from simulators.fleet import Fleet, build_fleet
from simulators.region import load_region
from simulators.world import SimulatedClock

FIRST = date(2026, 5, 29)


@pytest.fixture
def fleet() -> Fleet:
    return build_fleet(load_region("marburg-biedenkopf"), lamps=0, bins=22, seed=4, topic_root="test")


def test_a_day_brings_what_the_live_bin_fills_from_morning_to_morning(fleet: Fleet) -> None:
    bins = list(fleet.bins.values())[:3]
    shares = daily_deposits(bins, FIRST, 3)
    for place, bin_ in enumerate(bins):
        morning = datetime(FIRST.year, FIRST.month, FIRST.day, MORNING_UTC, tzinfo=UTC)
        bin_.start(SimulatedClock(morning.timestamp(), 1.0))
        for day in range(3):
            bin_.level = 0.0
            before, _ = bin_.empty((morning + timedelta(days=day + 1)).timestamp())
            assert before == pytest.approx(min(1.0, shares[day, place]))


def test_days_do_not_depend_on_where_one_begins(fleet: Fleet) -> None:
    bins = list(fleet.bins.values())[:2]
    later = daily_deposits(bins, FIRST + timedelta(days=1), 2)
    assert daily_deposits(bins, FIRST, 3)[1:] == pytest.approx(later)
