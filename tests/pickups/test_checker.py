from collections.abc import Callable
from dataclasses import replace

import pytest

from core.device import Municipality, Vehicle
from core.pickup import DueBin
from pickups.checker import violations
from pickups.distance import great_circle_leg_m
from pickups.route_plan import PlannedRoute, RoutePlan, Unplanned
from pickups.routing import plan_routes

Problem = tuple[RoutePlan, list[DueBin], Municipality]


@pytest.fixture
def problem(due_bin: Callable[..., DueBin], marburg: Callable[..., Municipality]) -> Problem:
    """Three bins on one route, a fourth without position."""
    due = [due_bin(f"b{number}", 50.81, 8.77 + number / 100) for number in range(3)]
    due.append(due_bin("lost", None, None))
    municipality = marburg(Vehicle("truck", 1, 720.0, 8 * 3600))
    return plan_routes(due, municipality), due, municipality


def changed(plan: RoutePlan, **changes: object) -> RoutePlan:
    return replace(plan, routes=(replace(plan.routes[0], **changes),))  # type: ignore[arg-type]


def test_a_plan_that_is_right_has_no_violation(problem: Problem) -> None:
    assert violations(*problem, great_circle_leg_m) == []


def without_last_stop(plan: RoutePlan) -> RoutePlan:
    return changed(plan, stops=plan.routes[0].stops[:-1])


def twice_the_same_stop(plan: RoutePlan) -> RoutePlan:
    return changed(plan, stops=(*plan.routes[0].stops, plan.routes[0].stops[0]))


def forgotten_unplanned(plan: RoutePlan) -> RoutePlan:
    return replace(plan, unplanned=())


def invented_bin(plan: RoutePlan) -> RoutePlan:
    return replace(plan, unplanned=(*plan.unplanned, Unplanned("ghost", "no room")))


def shorter(plan: RoutePlan) -> RoutePlan:
    return changed(plan, distance_m=plan.routes[0].distance_m - 1)


def quicker(plan: RoutePlan) -> RoutePlan:
    return changed(plan, duration_s=plan.routes[0].duration_s - 1)


def lighter(plan: RoutePlan) -> RoutePlan:
    return changed(plan, load_l=100.0)


def early(plan: RoutePlan) -> RoutePlan:
    first, *others = plan.routes[0].stops
    return changed(plan, stops=(replace(first, arrival_s=0), *others))


def other_vehicle(plan: RoutePlan) -> RoutePlan:
    return changed(plan, vehicle="helicopter")


def empty_route(plan: RoutePlan) -> RoutePlan:
    return replace(plan, routes=(*plan.routes, PlannedRoute("truck", (), 0, 0, 0.0)))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (without_last_stop, "neither on a route nor unplanned"),
        (twice_the_same_stop, "once too often"),
        (forgotten_unplanned, "bin lost is neither"),
        (invented_bin, "bin ghost is in the plan once too often"),
        (shorter, "it takes"),
        (quicker, "it takes"),
        (lighter, "its load is 720 l, not 100 l"),
        (early, "is reached after"),
        (other_vehicle, "there is no vehicle 'helicopter'"),
        (empty_route, "it has no stop"),
        (empty_route, "2 routes for 1 vehicles 'truck'"),
    ],
)
def test_each_mistake_is_found(problem: Problem, spoil: Callable[[RoutePlan], RoutePlan], sentence: str) -> None:
    plan, due, municipality = problem
    assert any(sentence in violation for violation in violations(spoil(plan), due, municipality, great_circle_leg_m))


@pytest.mark.parametrize(
    ("vehicle", "sentence"),
    [
        (Vehicle("truck", 1, 719.0, 8 * 3600), "its load of 720 l is more than the 719 l"),
        (Vehicle("truck", 1, 720.0, 600), "are longer than the shift of 600 s"),
    ],
)
def test_load_and_shift_are_limits(problem: Problem, vehicle: Vehicle, sentence: str) -> None:
    plan, due, municipality = problem
    found = violations(plan, due, replace(municipality, vehicles=(vehicle,)), great_circle_leg_m)
    assert len(found) == 1
    assert sentence in found[0]
