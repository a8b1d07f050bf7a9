from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pickup import Emptying, EmptyingSource
from pickups.filling.emptying import detect_emptying, emptyings, merge_confirmed

START = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def hourly(*levels: float) -> list[tuple[datetime, float]]:
    return [(START + HOUR * number, level) for number, level in enumerate(levels)]


@pytest.mark.parametrize(
    ("before", "after", "emptied"),
    [
        pytest.param(0.8, 0.0, True, id="full to empty"),
        pytest.param(0.9, 0.2, True, id="filling again already"),
        pytest.param(0.3, 0.0, True, id="drop of exactly 0.3"),
        pytest.param(0.6, 0.3, True, id="drop of 0.3 that is 0.29999 in floats"),
        pytest.param(0.65, 0.35, True, id="ends exactly at 0.35"),
        pytest.param(0.29, 0.0, False, id="small drop"),
        pytest.param(0.2, 0.0, False, id="noise of a nearly empty bin"),
        pytest.param(1.0, 0.6, False, id="contents slid"),
        pytest.param(0.2, 0.9, False, id="rise"),
        pytest.param(0.5, 0.5, False, id="nothing happened"),
    ],
)
def test_an_emptying_is_a_sharp_drop_to_a_low_level(before: float, after: float, emptied: bool) -> None:  # noqa: FBT001
    assert detect_emptying(before, after) is emptied


def test_emptyings_of_a_series_name_span_and_levels() -> None:
    levels = [
        (START + timedelta(hours=6 * step), level) for step, level in enumerate((0.5, 0.8, 0.1, 0.3, 0.2, 0.7, 0.0))
    ]
    assert emptyings(levels) == [
        Emptying(START + timedelta(hours=12), 0.8, 0.1, START + timedelta(hours=6)),
        Emptying(START + timedelta(hours=36), 0.7, 0.0, START + timedelta(hours=30)),
    ]


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        pytest.param((0.7, 0.71, 0.69, 0.6, 0.58), [], id="noise and settling"),
        pytest.param((0.9, 0.5, 0.52), [(1, 0.9, 0.5, True)], id="partial: kept as such"),
        pytest.param((0.9, 0.5, 0.05, 0.1), [(2, 0.9, 0.05, False)], id="reported while it went on: one, whole"),
        pytest.param((0.8, 0.0, 0.8, 0.82), [], id="sensor restarts: 0 and back"),
        pytest.param((0.8, 0.0, 0.0, 0.75, 0.8), [], id="two readings of a restart"),
        pytest.param((0.8, 0.0, 0.8, 0.1), [(3, 0.8, 0.1, False)], id="a restart hides no emptying after it"),
        pytest.param((0.8, 0.0, 0.1, 0.1, 0.2, 0.8), [(1, 0.8, 0.0, False)], id="fast filling is no restart"),
        pytest.param((0.2, 0.6, 0.6, 0.65), [], id="zero of the sensor moved up"),
        pytest.param((0.8,) * 20, [], id="stuck"),
    ],
)
def test_what_hourly_levels_show(levels: tuple[float, ...], found: list[tuple[int, float, float, bool]]) -> None:
    assert [(e.at, e.level_before, e.level_after, e.partial) for e in emptyings(hourly(*levels))] == [
        (START + HOUR * hour, before, after, partial) for hour, before, after, partial in found
    ]


def test_inside_a_gap_only_the_span_is_known() -> None:
    (found,) = emptyings([(START, 0.9), (START + 9 * DAY, 0.2)])
    assert (found.not_before, found.at) == (START, START + 9 * DAY)


def test_a_daily_level_that_is_back_the_next_day_was_emptied() -> None:
    """Only within hours is a return impossible: public bins do fill in a day (Wyndham, 8 0 8)."""
    assert len(emptyings([(START, 0.8), (START + DAY, 0.0), (START + 2 * DAY, 0.8)])) == 1


def test_order_does_not_matter_and_of_one_instant_the_last_level_counts() -> None:
    levels = [(START + DAY, 0.1), (START, 0.2), (START, 0.9)]
    assert emptyings(levels) == [Emptying(START + DAY, 0.9, 0.1, START)]


def test_no_emptying_in_an_empty_or_single_series() -> None:
    assert emptyings([]) == []
    assert emptyings([(START, 0.9)]) == []


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(0, 0.29))
def test_a_filling_bin_with_noise_below_the_least_drop_is_never_emptied(rises: list[float], noise: float) -> None:
    level, levels = 0.0, []
    for number, rise in enumerate(rises):
        level = min(1.0, level + rise * 0.1)
        levels.append(max(0.0, level - noise * (number % 2)))
    assert emptyings(hourly(*levels)) == []


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), max_size=60))
def test_whatever_the_levels_emptyings_ascend_and_fall(points: list[tuple[int, float]]) -> None:
    levels = [(START + HOUR * hour, level) for hour, level in points]
    found = emptyings(levels)
    for emptying in found:
        assert emptying.not_before is not None
        assert emptying.not_before < emptying.at
        assert emptying.level_before is not None
        assert emptying.level_after is not None
        assert emptying.level_before - emptying.level_after > 0.29
    assert all(one.at <= other.not_before for one, other in pairwise(found) if other.not_before)
    assert emptyings(list(reversed(dict(levels).items()))) == found


SEEN = Emptying(START + 6 * HOUR, 0.9, 0.1, START)


@pytest.mark.parametrize(
    ("confirmed_h", "at_h"),
    [
        pytest.param(2, 2, id="within the span: the driver's time"),
        pytest.param(-3, 0, id="confirmed on the way there: when levels begin to allow it"),
        pytest.param(11, 6, id="confirmed after the shift: when levels show it"),
    ],
)
def test_a_confirmation_and_a_drop_are_one_emptying_with_the_better_time(confirmed_h: int, at_h: int) -> None:
    (merged,) = merge_confirmed([SEEN], [START + confirmed_h * HOUR])
    assert merged == Emptying(START + at_h * HOUR, 0.9, 0.1, START, source=EmptyingSource.BOTH)


def test_what_only_one_of_them_knows_stays() -> None:
    alone = START + 3 * DAY
    assert merge_confirmed([SEEN], [alone]) == [
        SEEN,
        Emptying(alone, None, None, source=EmptyingSource.CONFIRMED),
    ]


def test_two_confirmations_do_not_share_a_drop() -> None:
    sources = [e.source for e in merge_confirmed([SEEN], [START + HOUR, START + 2 * HOUR])]
    assert sorted(sources) == [EmptyingSource.BOTH, EmptyingSource.CONFIRMED]
