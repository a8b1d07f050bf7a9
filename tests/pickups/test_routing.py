from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.device import DisposalSite, Municipality, Place, Vehicle
from core.errors import PlanningError
from core.pickup import DueBin, DueReason
from pickups.distance import Position, great_circle_leg_m, travel_s
from pickups.routing import NO_POSITION, NO_ROOM, NO_VEHICLE, plan_routes

BuildBin = Callable[..., DueBin]
BuildMunicipality = Callable[..., Municipality]


def straight_m(start: Position, end: Position) -> int:
    """A street along the equator: 1000 m for each unit of longitude, so that ways can be added in the head."""
    return round(abs(start[1] - end[1]) * 1000)


def line_street(*vehicles: Vehicle) -> Municipality:
    """Depot at 0 km, disposal site at 10 km, of a street on which bins stand in between."""
    return Municipality(
        municipality="street",
        name="Street",
        depot=Place("depot", 0.0, 0.0),
        disposal_sites=(DisposalSite("tip", 0.0, 10.0),),
        vehicles=vehicles or (Vehicle("truck", 1, 1000.0, 8 * 3600),),
    )


def test_four_bins_on_a_street_are_emptied_on_the_way_to_the_disposal_site(due_bin: BuildBin) -> None:
    """Out over 2, 4, 6, 8 km to the tip at 10 km and back: 20 km; at 30 km/h 40 minutes, 4 stops, one unloading."""
    due = [due_bin(f"b{km}", 0.0, float(km), volume_l=100.0) for km in (6, 2, 8, 4)]
    plan = plan_routes(due, line_street(), leg_m=straight_m, distance_source="test")
    (route,) = plan.routes
    assert [stop.bin.device_id for stop in route.stops] == ["b2", "b4", "b6", "b8"]
    assert [stop.distance_m for stop in route.stops] == [2000, 4000, 6000, 8000]
    assert [stop.arrival_s for stop in route.stops] == [240, 600, 960, 1320]
    assert route.distance_m == 20_000
    assert route.duration_s == 2400 + 4 * 120 + 900
    assert route.load_l == 400.0
    assert plan.unplanned == ()
    assert plan.distance_source == "test"


def test_the_way_home_leads_over_the_disposal_site(due_bin: BuildBin) -> None:
    """A bin at 1 km: driving home from there would be 2 km, but the truck has to be empty: 20 km."""
    plan = plan_routes([due_bin("b1", 0.0, 1.0)], line_street(), leg_m=straight_m)
    assert plan.routes[0].distance_m == 20_000


def test_without_a_disposal_site_the_depot_takes_the_load(due_bin: BuildBin, marburg: BuildMunicipality) -> None:
    place = (50.81, 8.78)
    (route,) = plan_routes([due_bin("a", *place)], marburg(depot=Place("Bauhof", 50.80, 8.76))).routes
    leg = great_circle_leg_m((50.80, 8.76), place)
    assert route.distance_m == 2 * leg
    assert route.duration_s == 2 * travel_s(leg) + 120 + 900


def test_great_circles_times_135(due_bin: BuildBin) -> None:
    """One degree of latitude is 111,195 m on the sphere of the IUGG's mean radius; times 1.35: 150,113 m."""
    assert great_circle_leg_m((50.0, 8.0), (51.0, 8.0)) == 150_113
    depot = Place("depot", 50.0, 8.0)
    municipality = Municipality(
        municipality="m", name="M", depot=depot, vehicles=(Vehicle("truck", 1, 1000.0, 86_400),)
    )
    plan = plan_routes([due_bin("a", 51.0, 8.0)], municipality)
    assert plan.routes[0].stops[0].distance_m == 150_113
    assert plan.distance_source == "great_circle_x1.35"


def test_capacity_decides_how_many_vehicles_drive(due_bin: BuildBin) -> None:
    due = [due_bin(f"b{number}", 0.0, 1.0 + number, volume_l=400.0) for number in range(4)]
    plan = plan_routes(due, line_street(Vehicle("truck", 3, 1000.0, 8 * 3600)), leg_m=straight_m)
    assert [route.load_l for route in plan.routes] == [800.0, 800.0]
    assert plan.unplanned == ()


def test_the_right_kind_of_vehicle_takes_a_large_container(due_bin: BuildBin) -> None:
    due = [due_bin("large", 0.0, 5.0, volume_l=5000.0)]
    small, large = Vehicle("small", 1, 1000.0, 8 * 3600), Vehicle("large", 1, 6000.0, 8 * 3600)
    assert [route.vehicle for route in plan_routes(due, line_street(small, large), leg_m=straight_m).routes] == [
        "large"
    ]


def test_what_no_vehicle_can_take_is_unplanned_with_the_reason(due_bin: BuildBin) -> None:
    due = [
        due_bin("lost", None, None),
        due_bin("huge", 0.0, 5.0, volume_l=1001.0),
        due_bin("far", 0.0, 500.0),
        due_bin("fine", 0.0, 5.0),
    ]
    plan = plan_routes(due, line_street(), leg_m=straight_m)
    assert {left_out.device_id: left_out.reason for left_out in plan.unplanned} == {
        "lost": NO_POSITION,
        "huge": NO_VEHICLE,
        "far": NO_VEHICLE,
    }
    assert [stop.bin.device_id for route in plan.routes for stop in route.stops] == ["fine"]


def test_when_there_is_no_room_for_all_the_urgent_bins_are_taken(due_bin: BuildBin) -> None:
    """Room for four of eight: the four over the threshold, though the others are nearer."""
    full = [due_bin(f"full{km}", 0.0, float(km), volume_l=250.0) for km in (6, 7, 8, 9)]
    soon = [
        due_bin(f"soon{km}", 0.0, float(km), volume_l=250.0, filling_level=0.5, reasons=(DueReason.FORECAST,))
        for km in (1, 2, 3, 4)
    ]
    plan = plan_routes(full + soon, line_street(), leg_m=straight_m)
    assert [stop.bin.device_id for stop in plan.routes[0].stops] == ["full6", "full7", "full8", "full9"]
    assert {(left_out.device_id, left_out.reason) for left_out in plan.unplanned} == {
        (bin_.device_id, NO_ROOM) for bin_ in soon
    }


@pytest.mark.filterwarnings("ignore::pyvrp.exceptions.PenaltyBoundWarning")  # pytest undoes the filter of the program
def test_a_short_shift_leaves_bins_out(due_bin: BuildBin) -> None:
    """20 km (2400 s) and unloading (900 s) leave 260 s of the hour: two stops of 120 s."""
    due = [due_bin(f"b{km}", 0.0, float(km)) for km in (2, 4, 6, 8)]
    plan = plan_routes(due, line_street(Vehicle("truck", 1, 10_000.0, 3560)), leg_m=straight_m)
    assert len(plan.routes[0].stops) == 2
    assert plan.routes[0].duration_s == 2400 + 900 + 2 * 120
    assert len(plan.unplanned) == 2


def test_the_same_seed_gives_the_same_plan(due_bin: BuildBin, marburg: BuildMunicipality) -> None:
    due = [due_bin(f"b{number}", 50.75 + number % 7 / 100, 8.7 + number % 5 / 50) for number in range(24)]
    municipality = marburg(Vehicle("truck", 2, 3500.0, 8 * 3600))
    assert plan_routes(due, municipality, seed=3) == plan_routes(due, municipality, seed=3)


def test_nothing_due_is_an_empty_plan(marburg: BuildMunicipality) -> None:
    plan = plan_routes([], marburg())
    assert (plan.routes, plan.unplanned) == ((), ())


def test_bins_at_one_spot_and_at_the_depot_are_all_visited(due_bin: BuildBin, marburg: BuildMunicipality) -> None:
    due = [due_bin(f"b{number}", 50.80, 8.76) for number in range(5)]
    (route,) = plan_routes(due, marburg()).routes
    assert len(route.stops) == 5
    assert route.distance_m == 0


def test_progress_grows_to_one(due_bin: BuildBin, marburg: BuildMunicipality) -> None:
    told: list[float] = []
    plan_routes(
        [due_bin(f"b{number}", 50.8, 8.7 + number / 50) for number in range(6)], marburg(), progress=told.append
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 2


def test_a_municipality_without_depot_or_vehicle_is_told_so(due_bin: BuildBin, marburg: BuildMunicipality) -> None:
    with pytest.raises(PlanningError, match="municipality marburg has no depot"):
        plan_routes([due_bin("a")], replace(marburg(), depot=None))
    with pytest.raises(PlanningError, match="municipality marburg has no vehicle"):
        plan_routes([due_bin("a")], replace(marburg(), vehicles=(Vehicle("truck", 0, 1000.0, 3600),)))
    with pytest.raises(PlanningError, match="several kinds of vehicle of one name"):
        plan_routes([due_bin("a")], marburg(Vehicle("truck", 1, 1000.0, 3600), Vehicle("truck", 1, 2000.0, 3600)))


def test_a_plan_that_fails_its_check_is_not_given_out(due_bin: BuildBin, marburg: BuildMunicipality) -> None:
    """Two bins of one id: each is on a route, so one id is there twice."""
    moving = iter(range(100_000))
    with pytest.raises(PlanningError, match="did not pass its check"):
        plan_routes([due_bin("a"), due_bin("b")], marburg(), leg_m=lambda _start, _end: next(moving))


PLACES = st.lists(st.tuples(st.floats(50.7, 50.9), st.floats(8.6, 8.9), st.integers(50, 1500)), min_size=1, max_size=8)


@settings(max_examples=20, deadline=None)
@given(PLACES)
def test_a_plan_is_never_longer_than_driving_in_the_given_order(places: list[tuple[float, float, int]]) -> None:
    """With one vehicle that can take all; the plan's own check covers the rest."""
    depot = Place("depot", 50.8, 8.75)
    municipality = Municipality(
        municipality="m", name="M", depot=depot, vehicles=(Vehicle("truck", 1, 1_000_000.0, 10 * 86_400),)
    )
    due = [
        DueBin(
            device_id=f"b{number}",
            municipality="m",
            name="",
            latitude=latitude,
            longitude=longitude,
            filling_level=1.0,
            observed_at=None,
            threshold=0.8,
            reasons=(DueReason.ABOVE_THRESHOLD,),
            forecast=None,
            volume_l=float(volume_l),
        )
        for number, (latitude, longitude, volume_l) in enumerate(places)
    ]
    plan = plan_routes(due, municipality)
    here, given_order_m = (depot.latitude, depot.longitude), 0
    for latitude, longitude, _ in [*places, (depot.latitude, depot.longitude, 0)]:
        given_order_m += great_circle_leg_m(here, (latitude, longitude))
        here = (latitude, longitude)
    assert sum(route.distance_m for route in plan.routes) <= given_order_m
    assert plan.unplanned == ()
