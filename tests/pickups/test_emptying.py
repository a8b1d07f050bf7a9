from datetime import UTC, datetime, timedelta

import pytest

from pickups.emptying import Emptying, detect_emptying, emptyings

START = datetime(2026, 5, 4, tzinfo=UTC)


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


def test_emptyings_of_a_series_name_instant_and_levels() -> None:
    levels = [
        (START + timedelta(hours=6 * step), level) for step, level in enumerate((0.5, 0.8, 0.1, 0.3, 0.2, 0.7, 0.0))
    ]
    assert emptyings(levels) == [
        Emptying(START + timedelta(hours=12), 0.8, 0.1),
        Emptying(START + timedelta(hours=36), 0.7, 0.0),
    ]


def test_order_does_not_matter_and_of_one_instant_the_last_level_counts() -> None:
    levels = [(START + timedelta(days=1), 0.1), (START, 0.2), (START, 0.9)]
    assert emptyings(levels) == [Emptying(START + timedelta(days=1), 0.9, 0.1)]


def test_no_emptying_in_an_empty_or_single_series() -> None:
    assert emptyings([]) == []
    assert emptyings([(START, 0.9)]) == []
