from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickups.filling.linear_forecast import METHOD, forecast

START = datetime(2026, 5, 4, tzinfo=UTC)


def daily(*levels: float | None) -> list[tuple[datetime, float]]:
    """One level a day from START; None is a day without a report."""
    return [(START + timedelta(days=day), level) for day, level in enumerate(levels) if level is not None]


def test_a_steady_bin_goes_on_as_it_did() -> None:
    """0.1 a day from 0.4 on day 4: 0.6 two days on, full six days on."""
    found = forecast(daily(0.0, 0.1, 0.2, 0.3, 0.4), START + timedelta(days=6))
    assert found is not None
    assert found.filling_level == pytest.approx(0.6)
    assert found.full_at is not None
    assert abs(found.full_at - (START + timedelta(days=10))) < timedelta(seconds=1)
    assert found.at == START + timedelta(days=6)
    assert found.method == METHOD


def test_the_fall_of_an_emptying_is_not_part_of_the_rate() -> None:
    """0.2 a day before and after the emptying: 0.4 + 0.2 tomorrow."""
    found = forecast(daily(0.4, 0.6, 0.8, 0.0, 0.2, 0.4), START + timedelta(days=6))
    assert found is not None
    assert found.filling_level == pytest.approx(0.6)


def test_noise_cancels_instead_of_adding_up() -> None:
    """Up 0.15, down 0.05 by turns rises 0.1 in two days; counting rises only would say 0.15."""
    found = forecast(daily(0.10, 0.25, 0.20, 0.35, 0.30), START + timedelta(days=6))
    assert found is not None
    assert found.filling_level == pytest.approx(0.30 + 2 * 0.05)


def test_a_long_silence_says_nothing_of_the_rate() -> None:
    """Between day 2 and day 8 the bin may have been emptied any number of times."""
    found = forecast(daily(0.1, 0.2, 0.3, None, None, None, None, None, 0.3, 0.4), START + timedelta(days=10))
    assert found is not None
    assert found.filling_level == pytest.approx(0.5)


def test_time_at_full_is_not_slow_filling() -> None:
    found = forecast(daily(0.6, 0.8, 1.0, 1.0, 1.0, 1.0, 0.0, 0.2), START + timedelta(days=8))
    assert found is not None
    assert found.filling_level == pytest.approx(0.4)


def test_of_repeated_instants_the_last_counts_and_order_does_not_matter() -> None:
    levels = daily(0.0, 0.1, 0.2)
    assert forecast([levels[2], (START, 0.9), *levels[:2]], START + timedelta(days=3)) == forecast(
        levels, START + timedelta(days=3)
    )


def test_what_happened_more_than_two_weeks_before_the_newest_level_is_forgotten() -> None:
    early = [(START - timedelta(days=20 - day), 0.04 * day) for day in range(5)]
    levels = daily(*(0.01 * day for day in range(15)))
    assert forecast(early + levels, START + timedelta(days=15)) == forecast(levels, START + timedelta(days=15))


def test_levels_after_the_instant_asked_for_are_not_used() -> None:
    at = START + timedelta(days=2, hours=12)
    assert forecast(daily(0.0, 0.1, 0.2, 0.9), at) == forecast(daily(0.0, 0.1, 0.2), at)


@pytest.mark.parametrize(
    "levels",
    [
        pytest.param([], id="nothing"),
        pytest.param(daily(0.5), id="one level"),
        pytest.param([(START, 0.1), (START + timedelta(hours=6), 0.3)], id="six hours"),
        pytest.param(daily(0.1, None, None, None, None, 0.9), id="one gap of five days"),
        pytest.param(daily(0.9, 0.1), id="one emptying"),
    ],
)
def test_too_little_is_not_extrapolated(levels: list[tuple[datetime, float]]) -> None:
    assert forecast(levels, START + timedelta(days=7)) is None


def test_a_bin_that_does_not_fill_is_never_full() -> None:
    found = forecast(daily(0.3, 0.3, 0.3), START + timedelta(days=30))
    assert found is not None
    assert (found.filling_level, found.full_at) == (pytest.approx(0.3), None)


def test_a_full_bin_is_full_since_its_newest_level() -> None:
    found = forecast(daily(0.5, 0.75, 1.0), START + timedelta(days=5))
    assert found is not None
    assert (found.filling_level, found.full_at) == (1.0, START + timedelta(days=2))


LEVELS = st.lists(
    st.tuples(
        st.integers(0, 60 * 24 * 40).map(lambda minutes: START + timedelta(minutes=minutes)),
        st.floats(0, 1, allow_nan=False),
    ),
    max_size=60,
)


@given(LEVELS, st.integers(0, 200))
def test_whatever_was_observed_the_forecast_is_a_level_that_never_falls(
    levels: list[tuple[datetime, float]], hours: int
) -> None:
    newest = max((at for at, _ in levels), default=START)
    later = [forecast(levels, newest + timedelta(hours=extra)) for extra in (hours, hours + 24)]
    assert (later[0] is None) == (later[1] is None)
    for found in later:
        if found is not None:
            assert 0 <= found.filling_level <= 1
            assert found.full_at is None or found.full_at >= newest
    for before, after in pairwise(found for found in later if found is not None):
        assert after.filling_level >= before.filling_level
