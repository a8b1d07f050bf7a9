"""Days planned again: on a street whose metre takes a second, depot and tip at 0."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import PlanningError
from core.travel import TravelMatrix
from pickups.routes.checker import violations
from pickups.routes.problem import NO_ROOM, Candidate, LeftOut, Problem, Site, Solution, VehicleKind, VisitKind, Window
from pickups.routes.replan import Underway, continued

TRUCK = VehicleKind(
    name="truck",
    count=2,
    start=0,
    end=0,
    capacity_l=1000,
    earliest_s=0,
    latest_s=80_000,
    max_duration_s=20_000,
    fixed_cost=500,
    cost_per_m=1,
    cost_per_s=0,
)


def street(*places: int, trucks: VehicleKind = TRUCK, **changes: object) -> Problem:
    """Bins at metres from the depot, each with 100 l and 10 s; `changes` are those of the last one."""
    metres = np.array([0, 0, *places])
    distances = np.abs(metres[:, None] - metres).astype(np.int64)
    candidates = [
        Candidate(device_id=f"at-{place}", location=2 + index, volume_l=100, weight_kg=10, service_s=10)
        for index, place in enumerate(places)
    ]
    candidates[-1] = replace(candidates[-1], **changes)  # type: ignore[arg-type]
    return Problem(
        travel=(TravelMatrix(distances_m=distances, durations_s=distances, source="street"),),
        candidates=tuple(candidates),
        sites=(Site(name="tip", location=1, unload_s=60),),
        vehicles=(trucks,),
    )


def days(problem: Problem, *vehicles: Underway, new: tuple[int, ...] = (), margin: int = 50) -> list[list[str]]:
    return orders(legal(problem, continued(problem, vehicles, new, margin=margin)))


def legal(problem: Problem, solution: Solution) -> Solution:
    assert violations(problem, solution) == []
    return solution


def orders(solution: Solution) -> list[list[str]]:
    return [
        [visit.device_id or "tip" for visit in tour.visits if visit.kind is not VisitKind.BREAK]
        for tour in solution.tours
    ]


def test_what_is_done_stays_and_the_rest_keeps_its_order() -> None:
    """Back and forth, and still nothing is changed that does not save the margin."""
    problem = street(100, 120, 110, 130)
    assert days(problem, Underway(0, (1,), (0, 2, 3)), margin=50) == [["at-120", "at-100", "at-110", "at-130", "tip"]]


def test_a_stop_moves_where_that_saves_the_margin() -> None:
    """At 900, back to 100, on to 1000: 100 first saves nothing (900 is done), 100 last saves 2 x 800."""
    problem = street(900, 100, 1000)
    assert days(problem, Underway(0, (0,), (1, 2))) == [["at-900", "at-1000", "at-100", "tip"]]


def test_a_new_bin_comes_in_where_it_costs_least_but_not_among_what_is_done() -> None:
    problem = street(100, 300, 500, 120)
    assert days(problem, Underway(0, (0,), (1, 2)), new=(3,)) == [["at-100", "at-120", "at-300", "at-500", "tip"]]
    assert days(problem, Underway(0, (0, 1), (2,)), new=(3,)) == [["at-100", "at-300", "at-500", "at-120", "tip"]]


def test_a_full_vehicle_unloads_on_the_way() -> None:
    problem = street(100, 300, 500, 120, trucks=replace(TRUCK, count=1, capacity_l=300))
    (order,) = days(problem, Underway(0, (0,), (1, 2)), new=(3,))
    assert order.count("tip") == 2
    assert sorted(order) == ["at-100", "at-120", "at-300", "at-500", "tip", "tip"]
    assert order[0] == "at-100"


def test_an_unused_vehicle_drives_only_where_it_must() -> None:
    """The route takes 2,070 s of 2,120: a bin on the way fits (10 s more), one 21 m further out does not (52 s)."""
    trucks = replace(TRUCK, max_duration_s=2120)
    used, spare = Underway(0, (), (0,)), Underway(0, (), ())
    assert days(street(1000, 990, trucks=trucks), used, spare, new=(1,)) == [["at-990", "at-1000", "tip"]]
    problem = street(1000, 1021, trucks=trucks)
    assert days(problem, used, spare, new=(1,)) == [["at-1000", "tip"], ["at-1021", "tip"]]


def test_an_optional_bin_comes_in_for_less_than_its_prize() -> None:
    """90 m beyond the last stop cost 180."""
    used = Underway(0, (), (0,))
    worth = street(1000, 1090, required=False, prize=181)
    assert days(worth, used, new=(1,)) == [["at-1090", "at-1000", "tip"]]
    not_worth = street(1000, 1090, required=False, prize=180)
    solution = legal(not_worth, continued(not_worth, [used], [1], margin=50))
    assert orders(solution) == [["at-1000", "tip"]]
    assert solution.left_out == (LeftOut("at-1090", NO_ROOM),)


def test_a_late_vehicle_leaves_what_it_cannot_reach_to_others() -> None:
    """The stop done took 1,500 s: of 3,700 s the way to 2000 and back would take 4,000."""
    problem = street(100, 2000, trucks=replace(TRUCK, max_duration_s=4500))
    late = replace(problem.candidates[0], service_s=1500)
    problem = replace(problem, candidates=(late, problem.candidates[1]))
    under_way = Underway(0, (0,), (1,))
    assert days(problem, under_way, Underway(0, (), ())) == [["at-100", "tip"], ["at-2000", "tip"]]
    alone = replace(problem, vehicles=(replace(problem.vehicles[0], count=1),))
    assert legal(alone, continued(alone, [under_way], [], margin=50)).left_out == (LeftOut("at-2000", NO_ROOM),)


def test_windows_and_access_are_kept() -> None:
    narrow = street(100, 300, 200, windows=(Window(0, 150),))
    solution = continued(narrow, [Underway(0, (0,), (1,))], [2], margin=50)
    (left_out,) = legal(narrow, solution).left_out
    assert "time windows" in left_out.reason
    closed = street(100, 300, 200, vehicles=frozenset())
    assert legal(closed, continued(closed, [Underway(0, (0,), (1,))], [2], margin=50)).left_out[0].device_id == "at-200"


def test_where_no_road_leads_nobody_is_sent() -> None:
    problem = street(100, 300, 200)
    cut_off = replace(problem, travel=(replace(problem.travel[0], unreachable={4: "no road"}),))
    solution = legal(cut_off, continued(cut_off, [Underway(0, (0,), (1,))], [2], margin=50))
    assert solution.left_out == (LeftOut("at-200", "not reachable: no road"),)


def test_more_done_than_allowed_is_said() -> None:
    problem = street(100, 200, trucks=replace(TRUCK, capacity_l=150))
    with pytest.raises(PlanningError, match="vehicle truck: what it has done is more than its load or shift allows"):
        continued(problem, [Underway(0, (0, 1), ())], [], margin=50)


def test_nothing_to_do_is_no_tour() -> None:
    problem = street(100)
    assert continued(problem, [Underway(0, (), ())], [], margin=50).tours == ()
