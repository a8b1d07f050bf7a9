"""Pickup requests, plans and their stops."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from core.errors import ConflictError, NotFoundError, StorageError
from core.pickup import DueReason, Pause, PauseKind, PickupRequest, Plan, PlanState, Route, Stop, StopState
from state.state import State

DAY = date(2026, 3, 2)
DAWN = datetime(2026, 3, 2, 4, 0, 0, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
REQUEST = PickupRequest(device_id="bin-1", municipality="marburg", requested_at=DAWN, reason="filling_level 0.9")


def stop(number: int, plan_id: str = "p1") -> Stop:
    return Stop(
        stop_id=f"{plan_id}-s{number}",
        sequence=number,
        device_id=f"bin-{number}",
        name=f"Glas {number}",
        latitude=50.8 + number / 1000,
        longitude=8.7,
        filling_level=0.9 if number else None,
        volume_l=990.5,
        reasons=(DueReason.ABOVE_THRESHOLD, DueReason.REQUESTED),
        arrival_s=600 * number,
        distance_m=1000 * number,
    )


def route(route_id: str, *stops: Stop) -> Route:
    return Route(route_id=route_id, vehicle="truck", stops=stops, distance_m=9000, duration_s=3600, load_l=1981.0)


QUEUED = Plan(plan_id="p1", municipality="marburg", date=DAY, state=PlanState.QUEUED, created_at=DAWN)
DONE = replace(
    QUEUED,
    state=PlanState.DONE,
    progress=1.0,
    finished_at=DAWN + HOUR,
    distance_m=3_000_000_000,
    duration_s=7200,
    depot_name="Bauhof",
    depot_latitude=50.79,
    depot_longitude=8.76,
    disposal_name="Umladestation",
    disposal_latitude=50.83,
    disposal_longitude=8.78,
    routes=(route("r2", stop(3), stop(1)), route("r1", stop(2), stop(0)), route("empty")),
    unplanned=("bin-9", "bin-8"),
)


def test_one_request_is_open_per_bin(state: State) -> None:
    state.pickups.request(REQUEST)
    state.pickups.request(replace(REQUEST, requested_at=DAWN + HOUR, reason="again"))
    assert state.pickups.open_requests() == [REQUEST]


def test_requests_oldest_first_and_by_municipality(state: State) -> None:
    late = replace(REQUEST, device_id="bin-2", requested_at=DAWN + HOUR)
    elsewhere = replace(REQUEST, device_id="bin-3", municipality="lohra", requested_at=DAWN - HOUR)
    for request in (late, REQUEST, elsewhere):
        state.pickups.request(request)
    assert state.pickups.open_requests() == [elsewhere, REQUEST, late]
    assert state.pickups.open_requests("marburg") == [REQUEST, late]
    assert state.pickups.open_requests("wetter") == []


def test_a_closed_request_makes_room_for_the_next(state: State) -> None:
    state.pickups.request(REQUEST)
    state.pickups.close_request("bin-1", DAWN + HOUR)
    state.pickups.close_request("bin-1", DAWN + HOUR)
    state.pickups.close_request("bin-2", DAWN + HOUR)
    assert state.pickups.open_requests() == []
    again = replace(REQUEST, requested_at=DAWN + 2 * HOUR)
    state.pickups.request(again)
    assert state.pickups.open_requests() == [again]


FULL_STOP = replace(
    stop(7),
    skip_reason="blocked",
    street="Hauptstraße",
    remark="hinter dem Tor",
    waste_kind="glass",
    content_l=535.5,
    weight_kg=120.5,
    service_s=300,
    overflow_probability=0.25,
    municipality="lahntal",
    changed=True,
)
FULL = replace(
    DONE,
    routes=(
        replace(
            route("r1", FULL_STOP),
            start_s=21_600,
            waste_kind="glass",
            pauses=(
                Pause(kind=PauseKind.BREAK, after=0, arrival_s=0, duration_s=1800, distance_m=0),
                Pause(
                    kind=PauseKind.UNLOADING,
                    after=1,
                    arrival_s=900,
                    duration_s=600,
                    distance_m=5000,
                    name="Glashof",
                    latitude=50.1,
                    longitude=8.5,
                ),
            ),
            legs=(((50.1, 8.5), (50.15, 8.55)), ((50.2, 8.6), (50.1, 8.5))),
            municipality="lahntal",
        ),
    ),
    unplanned_reasons={"bin-9": "no position", "bin-8": "no room"},
    municipalities=("lahntal", "marburg"),
    replaces="p0",
)


@pytest.mark.parametrize("plan", [QUEUED, DONE, FULL, replace(QUEUED, state=PlanState.FAILED, error="no depot")])
def test_a_plan_comes_back_as_it_went(state: State, plan: Plan) -> None:
    state.pickups.add_plan(plan)
    assert state.pickups.get_plan("p1") == plan


def test_an_id_is_added_once(state: State) -> None:
    state.pickups.add_plan(DONE)
    with pytest.raises(ConflictError, match="p1"):
        state.pickups.add_plan(QUEUED)
    assert state.pickups.get_plan("p1") == DONE


def test_unknown_plan(state: State) -> None:
    with pytest.raises(NotFoundError, match="p1"):
        state.pickups.get_plan("p1")
    with pytest.raises(NotFoundError, match="p1"):
        state.pickups.save_plan(DONE)
    with pytest.raises(NotFoundError, match="p1"):
        state.pickups.set_progress("p1", 0.5)
    assert state.pickups.page_plans().items == []


def test_a_job_goes_on_until_its_plan_is_done(state: State) -> None:
    state.pickups.add_plan(QUEUED)
    state.pickups.save_plan(replace(QUEUED, state=PlanState.RUNNING))
    state.pickups.set_progress("p1", 0.25)
    assert state.pickups.get_plan("p1") == replace(QUEUED, state=PlanState.RUNNING, progress=0.25)
    state.pickups.save_plan(DONE)
    assert state.pickups.get_plan("p1") == DONE
    shorter = replace(DONE, routes=(route("r1", stop(1)),))
    state.pickups.save_plan(shorter)
    assert state.pickups.get_plan("p1") == shorter


def test_a_plan_with_a_stop_of_another_is_kept_not_even_in_part(state: State) -> None:
    state.pickups.add_plan(DONE)
    with pytest.raises(StorageError):
        state.pickups.add_plan(replace(DONE, plan_id="p2"))
    with pytest.raises(NotFoundError):
        state.pickups.get_plan("p2")


def test_the_newest_done_plan_is_in_force(state: State) -> None:
    def add(plan_id: str, hours: int, **values: object) -> None:
        made = replace(DONE, plan_id=plan_id, created_at=DAWN + hours * HOUR, routes=(route("r", stop(1, plan_id)),))
        state.pickups.add_plan(replace(made, **values))  # type: ignore[arg-type]

    add("old", 0)
    add("new", 2)
    add("failed", 3, state=PlanState.FAILED)
    add("running", 4, state=PlanState.RUNNING)
    add("tomorrow", 5, date=DAY + timedelta(days=1))
    add("lohra-old", 6, municipality="lohra")
    add("lohra-new", 7, municipality="lohra")
    in_force = state.pickups.plan_in_force("marburg", DAY)
    assert in_force is not None
    assert in_force == state.pickups.get_plan("new")
    assert in_force.routes[0].stops[0].stop_id == "new-s1"
    assert state.pickups.plan_in_force("wetter", DAY) is None
    assert state.pickups.plan_in_force("marburg", DAY - timedelta(days=1)) is None
    assert state.pickups.plans_in_force(DAY) == [state.pickups.get_plan("lohra-new"), in_force]
    assert [each.plan_id for each in state.pickups.plans_in_force(DAY + timedelta(days=1))] == ["tomorrow"]
    assert state.pickups.plans_in_force(DAY + timedelta(days=2)) == []
    page = state.pickups.page_plans("marburg", limit=2)
    assert page.items == [state.pickups.get_plan("tomorrow"), state.pickups.get_plan("running")]


def test_a_confirmed_stop_is_done_and_closes_its_request(state: State) -> None:
    state.pickups.add_plan(DONE)
    state.pickups.request(REQUEST)
    other = replace(REQUEST, device_id="bin-2")
    state.pickups.request(other)
    expected = replace(stop(1), state=StopState.DONE, done_at=DAWN + HOUR)
    assert state.pickups.stop_done("p1-s1", DAWN + HOUR) == expected
    assert state.pickups.open_requests() == [other]
    assert state.pickups.get_plan("p1").routes[0].stops == (stop(3), expected)


def test_confirming_again_keeps_the_first_and_leaves_a_newer_request_open(state: State) -> None:
    state.pickups.add_plan(DONE)
    first = state.pickups.stop_done("p1-s1", DAWN + HOUR)
    newer = replace(REQUEST, requested_at=DAWN + 2 * HOUR)
    state.pickups.request(newer)
    assert state.pickups.stop_done("p1-s1", DAWN + 3 * HOUR) == first
    assert state.pickups.open_requests() == [newer]


def test_unknown_stop(state: State) -> None:
    with pytest.raises(NotFoundError, match="p1-s1"):
        state.pickups.stop_done("p1-s1", DAWN)


def test_a_joint_plan_is_in_force_for_each_of_its_municipalities(state: State) -> None:
    joint = replace(FULL, created_at=DAWN + HOUR)
    state.pickups.add_plan(replace(DONE, plan_id="alone", municipality="lahntal", routes=()))
    state.pickups.add_plan(joint)
    for municipality in ("marburg", "lahntal"):
        found = state.pickups.plan_in_force(municipality, DAY)
        assert found == joint
        assert municipality in found.municipalities
        assert state.pickups.page_plans(municipality).items[0].plan_id == "p1"
    assert state.pickups.plans_in_force(DAY) == [joint]
    assert state.pickups.plan_in_force("wetter", DAY) is None


def test_a_list_of_plans_leaves_out_the_lines(state: State) -> None:
    state.pickups.add_plan(FULL)
    (listed,) = state.pickups.page_plans().items
    assert listed == replace(FULL, routes=tuple(replace(route, legs=()) for route in FULL.routes))


def test_a_cancelled_plan_stays_cancelled(state: State) -> None:
    state.pickups.add_plan(QUEUED)
    cancelled = replace(QUEUED, state=PlanState.CANCELLED, finished_at=DAWN + HOUR)
    assert state.pickups.cancel_plan("p1", DAWN + HOUR) == cancelled
    assert state.pickups.cancel_plan("p1", DAWN + 2 * HOUR) == cancelled
    state.pickups.save_plan(DONE)
    assert state.pickups.get_plan("p1") == cancelled
    assert state.pickups.get_plan("p1").state is PlanState.CANCELLED


def test_what_is_over_cannot_be_cancelled(state: State) -> None:
    state.pickups.add_plan(DONE)
    with pytest.raises(ConflictError, match="p1 is done"):
        state.pickups.cancel_plan("p1", DAWN)
    with pytest.raises(NotFoundError, match="p2"):
        state.pickups.cancel_plan("p2", DAWN)
    with pytest.raises(NotFoundError, match="p2"):
        state.pickups.get_plan("p2")


def test_confirmations_reach_the_plan_that_replaces(state: State) -> None:
    """One made while the new plan was being made, one on the old route after that."""
    state.pickups.add_plan(DONE)
    again = replace(QUEUED, plan_id="p2", replaces="p1", state=PlanState.RUNNING)
    state.pickups.add_plan(again)
    state.pickups.stop_done("p1-s3", DAWN + HOUR)
    state.pickups.save_plan(
        replace(again, state=PlanState.DONE, routes=(route("r9", stop(1, "p2"), stop(2, "p2"), stop(3, "p2")),))
    )
    state.pickups.stop_done("p1-s2", DAWN + 2 * HOUR)
    (driven,) = state.pickups.get_plan("p2").routes
    assert [(stop.state, stop.done_at) for stop in driven.stops] == [
        (StopState.PLANNED, None),
        (StopState.DONE, DAWN + 2 * HOUR),
        (StopState.DONE, DAWN + HOUR),
    ]
