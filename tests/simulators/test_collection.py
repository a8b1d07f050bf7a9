from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from core.pickup import DueReason, Plan, PlanState, Route, Stop, StopState
from simulators.collection import SKIPPED_SHARE, Collection, Reached, skipped_because

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)


def _stop(number: int, state: StopState = StopState.PLANNED, plan: str = "p") -> Stop:
    return Stop(
        stop_id=f"{plan}-{number}",
        sequence=number,
        device_id=f"bin-{number}",
        name="",
        latitude=50.8,
        longitude=8.8,
        filling_level=0.9,
        volume_l=100,
        reasons=(DueReason.ABOVE_THRESHOLD,),
        arrival_s=600 * number,
        distance_m=1000 * number,
        state=state,
    )


def _plan(*stops: Stop, plan_id: str = "p") -> Plan:
    route = Route(route_id="r", vehicle="truck", stops=stops, distance_m=1, duration_s=1, load_l=1)
    return Plan(
        plan_id=plan_id,
        municipality="lohra",
        date=date(2026, 3, 2),
        state=PlanState.DONE,
        created_at=NOW,
        routes=(route,),
    )


def reached(device_id: str, plan: str = "p") -> Reached:
    return Reached(f"{plan}-{device_id.removeprefix('bin-')}", device_id)


def _after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_stops_are_reached_one_after_another_as_fast_as_the_world_runs() -> None:
    collection = Collection(speed=10.0)
    collection.see([_plan(_stop(1), _stop(2))], NOW)
    assert collection.next_s == _after(60).timestamp()
    assert collection.due_stops(_after(59)) == []
    assert collection.due_stops(_after(60)) == [reached("bin-1")]
    collection.see([_plan(_stop(1), _stop(2))], _after(61))  # looking again changes nothing
    assert collection.due_stops(_after(119)) == []
    assert collection.due_stops(_after(120)) == [reached("bin-2")]
    collection.see([_plan(_stop(1), _stop(2))], _after(121))
    assert collection.due_stops(_after(10_000)) == []


def test_a_stop_that_a_driver_confirms_is_emptied_at_once_and_once() -> None:
    collection = Collection(speed=1.0)
    collection.see([_plan(_stop(1), _stop(2))], NOW)
    collection.see([_plan(_stop(1), replace(_stop(2), state=StopState.DONE))], _after(5))
    assert collection.due_stops(_after(5)) == [reached("bin-2")]
    collection.see([_plan(_stop(1), replace(_stop(2), state=StopState.DONE))], _after(8))
    assert collection.due_stops(_after(600)) == [reached("bin-1")]
    assert collection.due_stops(_after(2000)) == []


def test_stops_confirmed_before_we_came_are_past() -> None:
    collection = Collection(speed=1.0)
    collection.see([_plan(replace(_stop(1), state=StopState.DONE))], NOW)
    assert collection.due_stops(_after(10_000)) == []


def test_a_skipped_stop_is_not_emptied() -> None:
    collection = Collection(speed=1.0)
    collection.see([_plan(_stop(1, StopState.SKIPPED))], NOW)
    assert collection.due_stops(_after(10_000)) == []


def test_a_newer_plan_takes_the_place_of_the_old() -> None:
    collection = Collection(speed=1.0)
    collection.see([_plan(_stop(1), _stop(2))], NOW)
    assert collection.due_stops(_after(600)) == [reached("bin-1")]
    collection.see([_plan(_stop(3, plan="q"), plan_id="q")], _after(700))
    assert collection.due_stops(_after(2499)) == []
    assert collection.due_stops(_after(2500)) == [reached("bin-3", "q")]


def test_a_few_stops_are_skipped_always_the_same_ones() -> None:
    reasons = [skipped_because(f"stop-{number}") for number in range(5000)]
    assert reasons == [skipped_because(f"stop-{number}") for number in range(5000)]
    skipped = [reason for reason in reasons if reason is not None]
    assert 0.5 * SKIPPED_SHARE < len(skipped) / 5000 < 2 * SKIPPED_SHARE
    assert len(set(skipped)) == 4
    number = next(number for number, reason in enumerate(reasons) if reason is not None)
    stop = replace(_stop(1), stop_id=f"stop-{number}")
    collection = Collection(speed=1.0)
    collection.see([_plan(stop)], NOW)
    assert collection.due_stops(_after(600)) == [Reached(stop.stop_id, "bin-1", reasons[number])]
    confirmed = Collection(speed=1.0)  # a driver's word counts more
    confirmed.see([_plan(stop)], NOW)
    confirmed.see([_plan(replace(stop, state=StopState.DONE))], _after(5))
    assert confirmed.due_stops(_after(5)) == [Reached(stop.stop_id, "bin-1")]
