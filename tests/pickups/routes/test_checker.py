"""A good plan passes the check; whatever is changed in it, the check says so."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickups.routes.checker import violations
from pickups.routes.problem import LeftOut, Problem, Site, Solution, Tour, Visit, VisitKind, Window
from pickups.routes.timing import cost, timed
from tests.pickups.routes.routing_problems import HOUR, bin_at, problem, truck

DAY = problem(
    [0, 3, 5, 7, 11, 13, 17],
    [
        bin_at(2, service_s=5_000),
        bin_at(3, service_s=5_000, windows=(Window(8 * HOUR, 9 * HOUR),)),
        bin_at(4, service_s=5_000, vehicles=frozenset({"truck"})),
        bin_at(5, service_s=5_000),
        bin_at(6, required=False, prize=500),
    ],
    truck(capacity_l=200, capacity_kg=20, fixed_cost=7, cost_per_s=2),
    truck(name="van", capacity_l=200),
)
"""Five and a half hours of service and two trips: a break, an unloading on the way, a bin left out."""


def planned() -> Solution:
    kind = DAY.vehicles[0]
    tour = timed(DAY, kind, (0, 1, -1, 2, 3))
    assert tour is not None
    return Solution(tours=(tour,), left_out=(LeftOut("bin-6", "too far"),), cost=cost(kind, tour) + 500)


GOOD = planned()


def test_a_good_plan_passes() -> None:
    assert violations(DAY, GOOD) == []
    kinds = [visit.kind for visit in GOOD.tours[0].visits]
    assert kinds.count(VisitKind.BREAK) == 1
    assert kinds.count(VisitKind.UNLOADING) == 2


def with_tour(**changes: object) -> Solution:
    return replace(GOOD, tours=(replace(GOOD.tours[0], **changes),))  # type: ignore[arg-type]


def with_visits(change: Callable[[list[Visit]], object]) -> Solution:
    visits = list(GOOD.tours[0].visits)
    change(visits)
    return with_tour(visits=tuple(visits))


def redriven(order: tuple[int, ...], one: Problem = DAY) -> Solution:
    """A plan of this order, right in every instant and metre for a more generous problem."""
    kind = one.vehicles[0]
    tour = timed(one, kind, order)
    assert tour is not None
    return Solution(tours=(tour,), left_out=GOOD.left_out, cost=cost(kind, tour) + 500)


def lenient(**changes: object) -> Problem:
    return replace(DAY, vehicles=(replace(DAY.vehicles[0], **changes),), breaks=None)  # type: ignore[arg-type]


def first(kind: VisitKind) -> int:
    return next(number for number, visit in enumerate(GOOD.tours[0].visits) if visit.kind is kind)


def changed(number: int, **changes: object) -> Callable[[list[Visit]], None]:
    def change(visits: list[Visit]) -> None:
        visits[number] = replace(visits[number], **changes)  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (lambda: with_visits(lambda visits: visits.pop(0)), "bin bin-2 is neither on a tour nor left out"),
        (lambda: replace(GOOD, left_out=()), "bin bin-6 is neither on a tour nor left out"),
        (lambda: replace(GOOD, left_out=GOOD.left_out * 2), "bin bin-6 is in the plan 2 times"),
        (lambda: replace(GOOD, left_out=(*GOOD.left_out, LeftOut("x", "y"))), "bin x is in the plan and nobody asked"),
        (lambda: replace(GOOD, left_out=(LeftOut("bin-6", ""),)), "left out without a reason"),
        (lambda: replace(GOOD, cost=GOOD.cost - 1), "the cost is"),
        (lambda: replace(GOOD, tours=GOOD.tours * 2), "2 tours for 1 vehicles 'truck'"),
        (lambda: with_tour(vehicle="ghost"), "there is no vehicle 'ghost'"),
        (lambda: with_tour(vehicle="van"), "cannot be reached by 'van'"),
        (lambda: with_tour(visits=()), "it has no stop"),
        (lambda: with_tour(end_s=GOOD.tours[0].end_s - 60), "it is home after"),
        (lambda: with_tour(distance_m=GOOD.tours[0].distance_m - 1), "it is home after"),
        (lambda: with_visits(changed(0, begin_s=GOOD.tours[0].visits[0].begin_s - 60)), "and the vehicle is there at"),
        (lambda: with_visits(changed(0, begin_s=GOOD.tours[0].visits[0].begin_s + 60)), "though it could at"),
        (lambda: with_visits(changed(0, duration_s=60)), "does not take 5000 s"),
        (lambda: with_visits(changed(0, location=3)), "is not where it stands"),
        (lambda: with_visits(changed(first(VisitKind.UNLOADING), duration_s=60)), "no disposal site there takes 60 s"),
        (lambda: with_visits(changed(first(VisitKind.UNLOADING), location=2)), "no disposal site there takes 600 s"),
        (lambda: with_visits(lambda visits: visits.pop(first(VisitKind.UNLOADING))), "more than 200 l"),
        (lambda: with_visits(lambda visits: visits.pop()), "it comes home without unloading"),
        (lambda: with_visits(changed(first(VisitKind.BREAK), duration_s=900)), "is shorter than 1800 s"),
        (lambda: with_visits(changed(first(VisitKind.BREAK), location=6)), "is not where the vehicle is"),
        (lambda: with_visits(lambda visits: visits.pop(first(VisitKind.BREAK))), "of work without a break"),
        (lambda: redriven((0, 1, -1, 2, 3), replace(DAY, breaks=None)), "of work without a break"),
        (lambda: redriven((0, 1, 2, -1, 3), lenient(capacity_l=300)), "its load is 30 kg, more than 20 kg"),
    ],
)
def test_each_rule_is_checked(bad: Callable[[], Solution], sentence: str) -> None:
    found = violations(DAY, bad())
    assert any(sentence in one for one in found), found


@pytest.mark.parametrize(
    ("stricter", "sentence"),
    [
        (truck(capacity_l=200, latest_s=9 * HOUR, fixed_cost=7, cost_per_s=2), "it is back at"),
        (truck(capacity_l=200, max_duration_s=HOUR, fixed_cost=7, cost_per_s=2), "longer than the shift of 3600 s"),
        (truck(capacity_l=200, earliest_s=9 * HOUR, fixed_cost=7, cost_per_s=2), "it leaves at"),
    ],
)
def test_the_shift_is_checked(stricter: object, sentence: str) -> None:
    found = violations(replace(DAY, vehicles=(stricter,)), GOOD)  # type: ignore[arg-type]
    assert any(sentence in one for one in found), found


def test_time_windows_and_opening_hours_are_checked() -> None:
    bins = (replace(DAY.candidates[0], windows=(Window(0, 5),)), *DAY.candidates[1:])
    assert any("outside its time windows" in one for one in violations(replace(DAY, candidates=bins), GOOD))
    closed = (Site(name="tip", location=1, unload_s=600, windows=(Window(0, 5),)),)
    assert any("outside the opening hours" in one for one in violations(replace(DAY, sites=closed), GOOD))


def test_more_than_nine_hours_with_half_an_hour_of_break_are_found() -> None:
    bins = tuple(bin_at(number, service_s=2_880) for number in range(2, 14))
    long = problem([0, 0, *([0] * 12)], bins, truck(capacity_l=9_000, latest_s=20 * HOUR, max_duration_s=13 * HOUR))
    tour = timed(long, long.vehicles[0], tuple(range(12)))
    assert tour is not None
    rest = next(number for number, visit in enumerate(tour.visits) if visit.kind is VisitKind.BREAK)
    short = [
        replace(visit, duration_s=visit.duration_s - 900)
        if number == rest
        else replace(visit, begin_s=visit.begin_s - (900 if number > rest else 0))
        for number, visit in enumerate(tour.visits)
    ]
    bad = Tour(
        vehicle="truck",
        start_s=tour.start_s,
        end_s=tour.end_s - 900,
        distance_m=tour.distance_m,
        visits=tuple(short),
    )
    assert violations(long, Solution(tours=(tour,), left_out=(), cost=tour.distance_m)) == []
    found = violations(long, Solution(tours=(bad,), left_out=(), cost=tour.distance_m))
    assert found == ["tour 1 (truck): 35160 s of work with only 1800 s of breaks"]


@given(st.data())
def test_a_mutated_plan_is_always_caught(data: st.DataObject) -> None:
    """Swapped, dropped, doubled or shifted visits: none of them is the plan that was made."""
    visits = list(GOOD.tours[0].visits)
    places = st.integers(0, len(visits) - 1)
    what = data.draw(st.sampled_from(["swap", "drop", "double", "shift", "longer", "further"]))
    at = data.draw(places)
    if what == "swap":
        other = data.draw(places.filter(lambda number: number != at))
        visits[at], visits[other] = visits[other], visits[at]
    elif what == "drop":
        visits.pop(at)
    elif what == "double":
        visits.insert(at, visits[at])
    else:
        by = data.draw(st.integers(-5_000, 5_000).filter(bool))
        field = {"shift": "begin_s", "longer": "duration_s", "further": "distance_m"}[what]
        visits[at] = replace(visits[at], **{field: getattr(visits[at], field) + by})
    assert violations(DAY, with_tour(visits=tuple(visits)))
