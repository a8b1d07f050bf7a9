"""Policies choose what they say they choose."""

from datetime import date, timedelta

import numpy as np

from pickups.backtest.policies import FixedRounds, Fullest, Morning, PrizeCollecting, Threshold, fixed_rounds

MONDAY = date(2026, 3, 2)
"""In an even week (10)."""


def morning(day: date, *levels: float, rises: np.ndarray | None = None, chances: tuple[int, ...] = (1, 2)) -> Morning:
    history = np.zeros((0, len(levels))) if rises is None else rises
    return Morning(
        day=day, chances=chances, levels=np.array(levels), first_day=day - timedelta(days=len(history)), rises=history
    )


def rounds(policy: FixedRounds, days: list[date]) -> list[list[int]]:
    return [np.flatnonzero(policy.choose(morning(day, 0, 0, 0, 0, 0)).required).tolist() for day in days]


def test_fixed_rounds_come_on_their_weekdays() -> None:
    """Every fortnight, weekly, twice, three times, daily; Mondays of an even and of an odd week differ."""
    policy = FixedRounds("fixed", range(5))
    days = [MONDAY + timedelta(days=day) for day in (0, 1, 2, 3, 4, 7)]
    assert rounds(policy, days) == [[0, 1, 2, 3, 4], [4], [3, 4], [2, 4], [3, 4], [1, 2, 3, 4]]


def test_a_round_on_a_holiday_is_made_up_on_the_next_working_day() -> None:
    easter_monday = date(2026, 4, 6)
    policy = FixedRounds("fixed", range(5))
    assert rounds(policy, [easter_monday - timedelta(days=4), easter_monday + timedelta(days=1)])[1] == [1, 2, 3, 4]


def test_each_bin_gets_the_rarest_rounds_that_serve_it() -> None:
    """A tenth a day is 1.4 from one fortnightly round to the next, but 0.7 in a week.

    0.3 on each of three days is too much for 0.9 and a fourth; a half overflows on Sundays even with daily rounds.
    """
    days = 8 * 7
    shares = np.tile([0.0, 0.05, 0.1, 0.3, 0.5], (days, 1))
    works = np.array([day % 7 < 5 for day in range(days)])
    assert fixed_rounds(shares, MONDAY, works, 0.99).rounds == [0, 0, 1, 3, 4]


def test_threshold_takes_bins_at_the_level_and_above() -> None:
    choice = Threshold("threshold", 0.75).choose(morning(MONDAY, 0.74, 0.75, 1.0))
    assert choice.required.tolist() == [False, True, True]
    assert choice.prizes.tolist() == [0, 0, 0]


def test_fullest_takes_so_many_but_no_empty_bin() -> None:
    assert Fullest("fullest", 2).choose(morning(MONDAY, 0.2, 0.9, 0.5)).required.tolist() == [False, True, True]
    assert Fullest("fullest", 2).choose(morning(MONDAY, 0.0, 0.9, 0.0)).required.tolist() == [False, True, False]


class Certain:
    """A forecast for tables: probability by days ahead."""

    def __init__(self, by_days: dict[int, list[float]]) -> None:
        self._by_days = by_days

    def overflow_probability(self, levels: np.ndarray, day: date, days: int) -> np.ndarray:  # noqa: ARG002
        return np.array(self._by_days[days])


def test_prizes_weigh_the_overflow_before_the_next_chance_and_soon_after() -> None:
    """Friday: the next chances are in 3 and 4 days."""
    forecast = Certain({3: [0.995, 0.5, 0.0], 4: [1.0, 0.75, 0.25]})
    policy = PrizeCollecting(name="ours", learn=lambda *_: forecast, rho_m=10_000, soon_m=1000, look_ahead=1)
    choice = policy.choose(morning(MONDAY, 0.9, 0.6, 0.3, chances=(3, 4)))
    assert choice.required.tolist() == [True, False, False]
    assert choice.prizes.tolist() == [0, 5750, 250]


def test_prizes_of_rho_alone_leave_out_what_cannot_overflow_before_the_next_chance() -> None:
    forecast = Certain({1: [0.5, 0.0]})
    choice = PrizeCollecting(name="ours", learn=lambda *_: forecast, rho_m=10_000).choose(morning(MONDAY, 0.9, 0.1))
    assert choice.prizes.tolist() == [5000, 0]
