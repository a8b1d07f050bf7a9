"""A backtest's overflow probabilities, by the platform's own models."""

from datetime import date, timedelta

import numpy as np
import pytest

from pickups.filling.policy_forecast import PlaceForecast

MONDAY = date(2026, 3, 2)


def test_overflow_probability_from_rises_seen() -> None:
    """Weekdays bring 0.43, weekends nothing, for a year: 0.7 on a Friday overflows by Monday, on a Saturday not."""
    first = MONDAY - timedelta(days=52 * 7)
    rises = np.array([[0.43 if day % 7 < 5 else 0.0] for day in range(52 * 7)])
    forecast = PlaceForecast(rises, first)
    level = np.array([0.7])
    assert forecast.overflow_probability(level, MONDAY + timedelta(days=4), 3)[0] > 0.85
    assert forecast.overflow_probability(level, MONDAY + timedelta(days=5), 2)[0] < 0.5
    assert forecast.overflow_probability(level, MONDAY, 0)[0] == 0


def test_more_time_or_more_in_it_never_makes_an_overflow_less_likely() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    forecast = PlaceForecast(rng.exponential(0.15, (80, 1)), MONDAY)
    by_level = [forecast.overflow_probability(np.array([level]), MONDAY, 2)[0] for level in np.linspace(0, 1, 21)]
    by_days = [forecast.overflow_probability(np.array([0.5]), MONDAY, days)[0] for days in range(8)]
    assert by_level == sorted(by_level)
    assert by_days == sorted(by_days)
    assert by_days[-1] <= 1 + 1e-9


def test_a_new_bin_is_taken_for_one_like_the_others() -> None:
    rises = np.full((60, 5), 0.3)
    rises[:, 4] = np.nan
    at = np.full(5, 0.9)
    assert PlaceForecast(rises, MONDAY).overflow_probability(at, MONDAY, 1) == pytest.approx(np.ones(5), abs=0.01)


@pytest.mark.parametrize(("step", "mean"), [(0.2, 0.2), (0.01, 0.1)])
def test_probabilities_are_as_often_right_as_they_say(step: float, mean: float) -> None:
    """Random deposits in steps, of fifths as of hundredths: foreseen on average what came true the year after."""
    rng = np.random.Generator(np.random.PCG64(11))
    rises = np.multiply(step, rng.poisson(mean / step, (600, 8)), dtype=np.float64)
    forecast = PlaceForecast(rises[:300], MONDAY)
    for level in (0.4, 0.6, 0.8):
        came_true = np.mean(level + rises[300:] + np.roll(rises[300:], 1, axis=0) > 1 + 1e-9)
        foreseen = forecast.overflow_probability(np.full(8, level), MONDAY + timedelta(days=300), 2).mean()
        assert foreseen == pytest.approx(came_true, abs=0.08)
