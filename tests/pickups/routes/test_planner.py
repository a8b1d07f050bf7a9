"""What the planner promises, on problems whose best tours can be seen."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import PlanningCancelledError, PlanningError
from pickups.routes.checker import violations
from pickups.routes.planner import NOT_WORTH, solve
from pickups.routes.problem import NO_ROOM, BreakRule, Problem, Site, Solution, Tour, VisitKind, Window
from pickups.routes.screening import NO_VEHICLE_MAY, NO_WINDOW
from tests.pickups.routes.routing_problems import HOUR, bin_at, line, problem, truck


def solved(one: Problem, seed: int = 1, time_limit_s: float = 2.0) -> Solution:
    return solve(one, time_limit_s=time_limit_s, seed=seed, processes=1)


def doing(tour: Tour) -> list[str]:
    return [visit.device_id or visit.kind.value for visit in tour.visits]


def reasons(solution: Solution) -> dict[str, str]:
    return {left_out.device_id: left_out.reason for left_out in solution.left_out}


def test_one_vehicle_empties_all_and_unloads_before_home() -> None:
    """Depot 0 km, disposal site at 2 km, bins at 4, 6 and 8 km: out and back is 16 km."""
    found = solved(problem([0, 2, 4, 6, 8], [bin_at(2), bin_at(3), bin_at(4)]))
    (tour,) = found.tours
    assert doing(tour)[-1] == "unloading"
    assert tour.distance_m == 16_000
    assert found.cost == 16_000
    assert found.left_out == ()


def test_it_unloads_on_the_way_when_the_vehicle_is_full() -> None:
    found = solved(problem([0, 5, 10, 11, 12], [bin_at(2), bin_at(3), bin_at(4)], truck(capacity_l=200)))
    (tour,) = found.tours
    assert doing(tour).count("unloading") == 2
    assert tour.distance_m == 2 * 12_000 + 2 * 5_000


def test_kilograms_limit_a_trip_as_litres_do() -> None:
    found = solved(
        problem([0, 5, 10, 11], [bin_at(2, weight_kg=600), bin_at(3, weight_kg=600)], truck(capacity_kg=1_000))
    )
    assert doing(found.tours[0]).count("unloading") == 2


def test_the_cheapest_disposal_site_is_taken_before_home() -> None:
    sites = (Site(name="far", location=1, unload_s=600), Site(name="near", location=2, unload_s=600))
    found = solved(problem([0, 30, 3, 5], [bin_at(3)], sites=sites))
    assert [visit.location for visit in found.tours[0].visits if visit.kind is VisitKind.UNLOADING] == [2]


def test_optional_bins_are_emptied_if_they_are_worth_the_way() -> None:
    bins = [bin_at(2), bin_at(3, required=False, prize=5_000), bin_at(4, required=False, prize=15_000)]
    found = solved(problem([0, 0, 4, -4, -6], bins))
    assert reasons(found) == {}
    poorer = solved(problem([0, 0, 4, -4, -6], [*bins[:2], bin_at(4, required=False, prize=100)]))
    assert reasons(poorer) == {"bin-3": NOT_WORTH, "bin-4": NOT_WORTH}
    assert poorer.cost == 8_000 + 5_000 + 100


def test_bins_only_go_with_vehicles_that_may_go_there() -> None:
    bins = [bin_at(2, vehicles=frozenset({"van"})), bin_at(3, vehicles=frozenset({"lorry"}))]
    found = solved(problem([0, 0, 4, 6], bins, truck(name="van"), truck(name="lorry")))
    assert {tour.vehicle: doing(tour)[0] for tour in found.tours} == {"van": "bin-2", "lorry": "bin-3"}


def test_a_place_with_forbidden_hours_is_emptied_before_or_after() -> None:
    hours = (Window(6 * HOUR, 7 * HOUR), Window(12 * HOUR, 14 * HOUR))
    found = solved(
        problem([0, 0, 5, 100], [bin_at(2, windows=hours), bin_at(3, windows=(Window(8 * HOUR, 9 * HOUR),))])
    )
    begins = {visit.device_id: visit.begin_s for visit in found.tours[0].visits}
    assert any(window.start_s <= begins["bin-2"] <= window.end_s for window in hours)
    assert reasons(found) == {}


def test_opening_hours_of_the_disposal_site_make_it_wait() -> None:
    sites = (Site(name="tip", location=1, unload_s=600, windows=(Window(9 * HOUR, 10 * HOUR),)),)
    found = solved(problem([0, 2, 4], [bin_at(2)], sites=sites))
    (unloading,) = (visit for visit in found.tours[0].visits if visit.kind is VisitKind.UNLOADING)
    assert 9 * HOUR <= unloading.begin_s <= 10 * HOUR


def test_a_long_shift_has_its_break_and_never_six_hours_without() -> None:
    """Ten bins of 40 minutes are 6 h 40 min of work."""
    bins = [bin_at(number + 2, service_s=2_400) for number in range(10)]
    found = solved(problem([0, 0, *range(10)], bins))
    (tour,) = found.tours
    (rest,) = (visit for visit in tour.visits if visit.kind is VisitKind.BREAK)
    assert rest.duration_s == 30 * 60
    assert rest.begin_s - tour.start_s <= 6 * HOUR
    assert tour.end_s - rest.begin_s - rest.duration_s <= 6 * HOUR


def test_more_than_nine_hours_need_45_minutes() -> None:
    bins = [bin_at(number + 2, service_s=2_400) for number in range(14)]
    long = truck(latest_s=18 * HOUR, max_duration_s=11 * HOUR)
    (tour,) = solved(problem([0, 0, *range(14)], bins, long)).tours
    assert sum(visit.duration_s for visit in tour.visits if visit.kind is VisitKind.BREAK) >= 45 * 60


def test_breaks_move_stops_out_of_their_windows_never() -> None:
    """Eight bins of 50 minutes; the last may only begin 5 h 50 min after the start at the latest."""
    bins = [bin_at(number + 2, service_s=3_000) for number in range(8)]
    bins[3] = replace(bins[3], windows=(Window(11 * HOUR, 11 * HOUR + 3_000),))
    found = solved(problem([0, 0, *range(8)], bins))
    assert reasons(found) == {}


def test_a_fleet_too_small_empties_what_it_can_and_says_the_rest() -> None:
    bins = [bin_at(number + 2, service_s=HOUR) for number in range(12)]
    found = solved(problem([0, 0, *([1] * 12)], bins))
    assert len(found.tours[0].visits) == 7 + 1 + 1
    assert set(reasons(found).values()) == {NO_ROOM}
    assert len(found.left_out) == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vehicles": frozenset({"bicycle"})}, NO_VEHICLE_MAY),
        ({"volume_l": 5_000}, "its 5000 l are more than the 1000 l of any vehicle"),
        ({"weight_kg": 900}, "its 900 kg are more than the 500 kg of any vehicle"),
        ({"windows": (Window(9, 5),)}, NO_WINDOW),
        ({"windows": (Window(0, 3_600),)}, "its time windows (00:00-01:00) lie outside the shift of every vehicle"),
        (
            {"windows": (Window(13 * HOUR + 3_500, 14 * HOUR),)},
            "within its time windows (13:58-14:00) no vehicle can be there and back in its shift",
        ),
        (
            {"service_s": 9 * HOUR},
            "the way there, over a disposal site and back takes longer than the shift of every vehicle",
        ),
        ({"location": 3}, "not reachable: 412 m from the next road"),
    ],
)
def test_a_bin_that_cannot_be_emptied_is_named_and_the_rest_is_planned(changes: dict[str, object], reason: str) -> None:
    travel = line([0, 0, 2, 3], unreachable={3: "412 m from the next road"})
    bad = bin_at(2, device_id="bad", **changes)
    found = solved(problem([], [bad, bin_at(2)], truck(capacity_kg=500), travel=(travel,)))
    assert reasons(found) == {"bad": reason}
    assert doing(found.tours[0]) == ["bin-2", "unloading"]


@pytest.mark.parametrize(
    ("vehicle", "sentence"),
    [
        ({"count": 0}, "vehicle truck: there is none of it"),
        ({"latest_s": 5 * HOUR}, "vehicle truck: its shift ends before it begins"),
        (
            {"max_duration_s": 600},
            "vehicle truck: its shift has 0 h 10 min for work, and the way over a disposal site alone takes 0 h 30 min",
        ),
        ({"capacity_l": 0}, "vehicle truck: its capacity is below 1"),
        ({"start": 3}, "vehicle truck: its start is not reachable: in the sea"),
    ],
)
def test_vehicles_that_cannot_drive_are_named(vehicle: dict[str, object], sentence: str) -> None:
    travel = line([0, 10, 2, 3], unreachable={3: "in the sea"})
    with pytest.raises(PlanningError, match=sentence):
        solved(problem([], [bin_at(2)], truck(**vehicle), travel=(travel,)))


def test_no_vehicle_and_no_disposal_site_are_errors() -> None:
    with pytest.raises(PlanningError, match="there is no vehicle"):
        solved(replace(problem([0, 0, 1], [bin_at(2)]), vehicles=()))
    with pytest.raises(PlanningError, match="there is no disposal site"):
        solved(problem([0, 0, 1], [bin_at(2)], sites=()))


def test_one_vehicle_that_cannot_drive_does_not_hinder_the_others() -> None:
    found = solved(problem([0, 0, 1], [bin_at(2)], truck(name="broken", count=0), truck(name="good")))
    assert [tour.vehicle for tour in found.tours] == ["good"]


def test_nothing_to_do_is_no_error() -> None:
    assert solved(problem([0, 0], [])) == Solution(tours=(), left_out=(), cost=0)


def test_a_vehicle_fewer_is_worth_its_fixed_cost() -> None:
    """Two vehicles would drive 2 km less and cost 5,000 more."""
    bins = [bin_at(number + 2) for number in range(8)]
    found = solved(problem([0, 0, 1, 2, 3, 4, -1, -2, -3, -4], bins, truck(count=4, fixed_cost=5_000)))
    assert found.cost == 5_000 + 16_000


def test_the_same_seed_gives_the_same_tours() -> None:
    bins = [bin_at(number + 2, required=number % 2 == 0, prize=3_000) for number in range(7)]
    one = problem([0, 3, *range(-4, 3)], bins, truck(count=2, capacity_l=300, fixed_cost=1_000))
    assert solved(one, seed=7, time_limit_s=60) == solved(one, seed=7, time_limit_s=60)


def test_progress_grows_to_one() -> None:
    told: list[float] = []
    solve(problem([0, 0, 1, 2], [bin_at(2), bin_at(3)]), time_limit_s=1, seed=1, processes=1, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def many(count: int = 80) -> Problem:
    bins = [bin_at(number + 2) for number in range(count)]
    return problem([0, 3, *((7 * number) % 31 for number in range(count))], bins, truck(count=5, fixed_cost=1_000))


def solvers(parent: psutil.Process) -> list[psutil.Process]:
    """The processes that search for it (a spawning parent keeps another one of Python's own)."""
    return [child for child in parent.children() if "spawn_main" in " ".join(child.cmdline())]


def test_cancelled_with_processes_leaves_none_of_them() -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        if not asked:
            asked[:] = [child.pid for child in solvers(psutil.Process())]
        return bool(asked)

    with pytest.raises(PlanningCancelledError):
        solve(many(), time_limit_s=60, seed=1, processes=2, cancelled=cancelled)
    assert asked
    assert not any(psutil.pid_exists(pid) for pid in asked)


def test_processes_give_a_checked_answer() -> None:
    found = solve(many(), time_limit_s=4, seed=1, processes=2)
    assert violations(many(), found) == []
    assert found.left_out == ()


def test_processes_end_when_their_parent_is_killed() -> None:
    code = (
        "from tests.pickups.routes.test_planner import many, solve\n"
        "print('go', flush=True)\n"
        "solve(many(300), time_limit_s=60, seed=1, processes=2)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"go\n"
        children: list[psutil.Process] = []
        deadline = time.monotonic() + 30
        while len(children) < 2 and time.monotonic() < deadline:
            children = solvers(psutil.Process(parent.pid))
            time.sleep(0.05)
        os.kill(parent.pid, signal.SIGKILL)
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=20)[1] == []


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Small days of all kinds: short shifts, tight windows, few litres, two kinds of vehicle."""
    count = draw(st.integers(1, 8))
    at = draw(st.lists(st.integers(-30, 30), min_size=count, max_size=count))
    starts = st.integers(5, 13)

    def windows() -> st.SearchStrategy[tuple[Window, ...]]:
        one = st.builds(lambda start, hours: Window(start * HOUR, (start + hours) * HOUR), starts, st.integers(0, 3))
        return st.lists(one, max_size=2).map(tuple)

    bins = [
        bin_at(
            number + 2,
            volume_l=draw(st.integers(50, 600)),
            weight_kg=draw(st.integers(5, 60)),
            service_s=draw(st.sampled_from([60, 1_200, 4_000])),
            required=draw(st.booleans()),
            prize=draw(st.sampled_from([0, 2_000, 60_000])),
            windows=draw(windows()),
            vehicles=draw(st.sampled_from([None, None, frozenset({"van"}), frozenset({"truck"})])),
        )
        for number in range(count)
    ]
    return problem(
        [0, draw(st.integers(-10, 10)), *at],
        bins,
        truck(capacity_l=500, fixed_cost=3_000, count=draw(st.integers(1, 2)), cost_per_s=draw(st.integers(0, 2))),
        truck(name="van", capacity_kg=100, max_duration_s=draw(st.sampled_from([2, 6, 7])) * HOUR, fixed_cost=1_000),
        sites=(Site(name="tip", location=1, unload_s=600, windows=draw(windows())),),
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problems(), st.integers(0, 3))
def test_whatever_the_problem_the_tours_keep_its_rules(one: Problem, seed: int) -> None:
    try:
        found = solve(one, time_limit_s=0.15, seed=seed, processes=1)
    except PlanningError as error:
        assert "disposal site" in str(error) or "vehicle" in str(error)  # noqa: PT017 - either is an answer
        return
    assert violations(one, found) == []


def test_without_breaks_in_the_law_there_are_none_in_the_tours() -> None:
    bins = [bin_at(number + 2, service_s=2_400) for number in range(10)]
    (tour,) = solved(problem([0, 0, *range(10)], bins, breaks=None)).tours
    assert VisitKind.BREAK not in {visit.kind for visit in tour.visits}
    stricter = BreakRule(after_s=2 * HOUR, length_s=900)
    (tour,) = solved(problem([0, 0, *range(10)], bins, breaks=stricter)).tours
    assert [visit.kind for visit in tour.visits].count(VisitKind.BREAK) >= 3
