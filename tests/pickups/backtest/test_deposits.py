"""What people put into bins, found in levels: rises count, emptyings don't, what nobody saw is drawn."""

from datetime import date, timedelta

import numpy as np
import pytest

from pickups.backtest.deposits import deposits_of, working_days

MONDAY = date(2026, 3, 2)


def by_day(*levels: float | None, first: date = MONDAY) -> dict[date, float]:
    """Levels of days in a row; None: no reading."""
    days = {first + timedelta(days=day): level for day, level in enumerate(levels)}
    return {day: level for day, level in days.items() if level is not None}


def test_rises_between_readings_are_deposits() -> None:
    deposits = deposits_of({"a": by_day(0.2, 0.6, 0.6, 0.8)})
    assert deposits.first_day == MONDAY
    assert deposits.shares[:, 0] == pytest.approx([0.4, 0.0, 0.2])
    assert deposits.seen.all()


def test_a_rise_over_a_short_gap_is_spread_over_its_days() -> None:
    deposits = deposits_of({"a": by_day(0.0, None, None, 0.6)})
    assert deposits.shares[:, 0] == pytest.approx([0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("levels", "unseen"),
    [
        pytest.param((0.2, 0.8, 0.2, 0.4), [1], id="the day it was emptied"),
        pytest.param((0.8, 1.0, 1.0, 0.0), [1, 2], id="full already"),
        pytest.param((0.0, None, None, None, 0.8, 1.0), [0, 1, 2, 3], id="a long gap"),
    ],
)
def test_days_that_say_nothing_are_drawn_from_the_others(levels: tuple[float | None, ...], unseen: list[int]) -> None:
    deposits = deposits_of({"a": by_day(*levels)})
    assert np.flatnonzero(~deposits.seen[:, 0]).tolist() == unseen
    known = deposits.shares[deposits.seen[:, 0], 0]
    assert set(deposits.shares[unseen, 0].round(9)) <= set(known.round(9))


def test_on_the_day_of_an_emptying_at_least_what_lies_in_it_afterwards_came() -> None:
    deposits = deposits_of({"a": by_day(0.0, 0.2, 0.4, 0.4, 1.0, 0.6)})
    assert deposits.shares[4, 0] == pytest.approx(0.6)


def test_a_bin_of_which_nothing_is_known_gets_nothing() -> None:
    deposits = deposits_of({"a": by_day(0.0, 0.2, 0.4), "b": by_day(0.8, first=MONDAY + timedelta(days=1))})
    assert deposits.device_ids == ("a", "b")
    assert deposits.shares[:, 1].tolist() == [0.0, 0.0]


def test_the_same_seed_draws_the_same() -> None:
    levels = {"a": by_day(0.0, 0.2, 0.6, 0.0, 0.4, 0.0, 0.8, 1.0, 0.0, 0.0, 0.4, 0.2)}
    one, same, other = (deposits_of(levels, seed=seed).shares for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_working_days_leave_out_weekends_and_holidays() -> None:
    works = working_days(MONDAY, 7, [MONDAY + timedelta(days=3)])
    assert works.tolist() == [True, True, True, False, True, False, False]
