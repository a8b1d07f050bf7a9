"""ArbZG section 4: 30 minutes for more than six hours of work, 45 for more than nine."""

import pytest

from pickups.routes.problem import BreakRule
from pickups.routes.shift import break_due_s, longest_work_s
from tests.pickups.routes.routing_problems import HOUR, truck

MINUTE = 60


@pytest.mark.parametrize(
    ("work_s", "due_min"),
    [(6 * HOUR, 0), (6 * HOUR + 1, 30), (9 * HOUR, 30), (9 * HOUR + 1, 45), (12 * HOUR, 45), (12 * HOUR + 1, 60)],
)
def test_breaks_due(work_s: int, due_min: int) -> None:
    assert break_due_s(work_s, BreakRule()) == due_min * MINUTE
    assert break_due_s(work_s, None) == 0


@pytest.mark.parametrize(
    ("shift_min", "work_min"),
    [
        (5 * 60, 5 * 60),
        (6 * 60, 6 * 60),
        (6 * 60 + 20, 6 * 60),
        (8 * 60 + 30, 8 * 60),
        (9 * 60 + 40, 9 * 60),
        (10 * 60, 9 * 60 + 15),
    ],
)
def test_the_most_work_with_its_breaks(shift_min: int, work_min: int) -> None:
    kind = truck(max_duration_s=shift_min * MINUTE, latest_s=24 * HOUR)
    assert longest_work_s(kind, BreakRule()) == work_min * MINUTE
    assert longest_work_s(kind, None) == shift_min * MINUTE
