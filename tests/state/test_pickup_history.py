"""What reports read, and the weekly rounds, on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from core.errors import NotFoundError
from core.pickup import DueReason, Plan, PlanState, Route, Stop, StopState
from state.pickup_history import WeeklyRound
from state.state import State

AT = datetime(2026, 5, 4, 6, tzinfo=UTC)
DAY = date(2026, 5, 4)
STOP = Stop(
    stop_id="s1",
    sequence=1,
    device_id="bin-1",
    name="",
    latitude=50.8,
    longitude=8.8,
    filling_level=0.8,
    volume_l=100,
    reasons=(DueReason.FORECAST,),
    arrival_s=0,
    distance_m=0,
)
PLAN = Plan(
    plan_id="p1",
    municipality="lohra",
    date=DAY,
    state=PlanState.DONE,
    created_at=AT,
    routes=(
        Route(
            route_id="r1",
            vehicle="truck",
            stops=(STOP,),
            distance_m=1,
            duration_s=1,
            load_l=1,
            legs=(((50.8, 8.8), (50.9, 8.8)),),
        ),
    ),
)


def another(plan_id: str, **changes: object) -> Plan:
    return replace(PLAN, plan_id=plan_id, routes=(), **changes)  # type: ignore[arg-type]


def test_finished_plans_of_days_own_and_joint(state: State) -> None:
    for plan in (
        PLAN,
        another("later", date=DAY + timedelta(days=2), municipality="wetter", municipalities=("lohra", "wetter")),
        another("after", date=DAY + timedelta(days=3)),
        another("failed", state=PlanState.FAILED),
        another("other", municipality="wetter"),
        another("older", created_at=AT - timedelta(hours=1)),
    ):
        state.pickups.add_plan(plan)
    found = state.pickup_history.finished_plans("lohra", DAY, DAY + timedelta(days=2))
    assert [plan.plan_id for plan in found] == ["older", "p1", "later"]
    assert found[1].routes[0].stops == (STOP,)
    assert found[1].routes[0].legs == ()


def test_the_weekly_round_is_replaced(state: State) -> None:
    assert state.pickup_history.weekly_round("lohra") is None
    state.pickup_history.keep_weekly_round("lohra", WeeklyRound("a", 1.5, 2.5, 3.5, "osm"))
    newer = WeeklyRound("b", 1.0, 2.0, 3.0, "great_circle_x1.35")
    state.pickup_history.keep_weekly_round("lohra", newer)
    assert state.pickup_history.weekly_round("lohra") == newer


def test_a_skipped_stop(state: State) -> None:
    state.pickups.add_plan(PLAN)
    assert state.pickups.day_of_stop("s1") == DAY
    assert state.pickups.stop_skipped("s1", "blocked") == replace(STOP, state=StopState.SKIPPED, skip_reason="blocked")
    assert state.pickups.stop_skipped("s1", "other: ice").skip_reason == "other: ice"
    done = state.pickups.stop_done("s1", AT)
    assert done == replace(STOP, state=StopState.DONE, done_at=AT)
    assert state.pickups.stop_skipped("s1", "blocked") == done
    assert state.pickups.get_plan("p1").routes[0].stops == (done,)
    for ask in (lambda: state.pickups.day_of_stop("s9"), lambda: state.pickups.stop_skipped("s9", "blocked")):
        with pytest.raises(NotFoundError, match="no stop 's9'"):
            ask()
