"""The office's figures, computed by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.pickup import DueReason, Plan, PlanState, Route, SkipReason, Stop, StopState
from pickups.report import (
    Emptied,
    Figures,
    WeeklyTour,
    add_emptyings,
    add_routes,
    add_weekly,
    driven,
    emptyings,
    full_days,
    full_spans,
)

SIX = datetime(2026, 5, 4, 6, tzinfo=UTC)
MONDAY = date(2026, 5, 4)


def stop(number: int, state: StopState = StopState.PLANNED, **changes: object) -> Stop:
    values: dict[str, object] = {
        "stop_id": f"s{number}",
        "sequence": number,
        "device_id": f"bin-{number}",
        "name": "",
        "latitude": 50.8,
        "longitude": 8.8,
        "filling_level": 0.8,
        "volume_l": 100,
        "reasons": (DueReason.FORECAST,),
        "arrival_s": 0,
        "distance_m": 0,
        "state": state,
        "done_at": SIX if state is StopState.DONE else None,
    }
    return Stop(**(values | changes))  # type: ignore[arg-type]


def plan(*routes: Route, **changes: object) -> Plan:
    values: dict[str, object] = {
        "plan_id": "p",
        "municipality": "lohra",
        "date": MONDAY,
        "state": PlanState.DONE,
        "created_at": SIX,
        "routes": routes,
    }
    return Plan(**(values | changes))  # type: ignore[arg-type]


def route(*stops: Stop, route_id: str = "r", vehicle: str = "truck") -> Route:
    return Route(
        route_id=route_id, vehicle=vehicle, stops=stops, distance_m=20_000, duration_s=7200, load_l=100 * len(stops)
    )


def test_a_route_counts_with_its_first_answer() -> None:
    figures = Figures()
    answered = route(
        stop(1, StopState.DONE), stop(2), stop(3, StopState.SKIPPED, skip_reason="other: dog"), route_id="a"
    )
    silent = route(stop(4), route_id="b")
    done = add_routes(figures, plan(answered, silent), "lohra", {"truck": 35.0})
    assert [each.device_id for each in done] == ["bin-1"]
    assert (figures.routes, figures.unconfirmed) == ({"a"}, {"b"})
    assert (figures.distance_km, figures.unconfirmed_km, figures.hours) == (20, 20, 2)
    assert figures.fuel_l == pytest.approx(7.0)
    assert (figures.stops_done, figures.stops_open, figures.skipped) == (1, 1, {SkipReason.OTHER: 1})


def test_a_joint_route_is_shared_by_stops() -> None:
    """Three stops of Lohra, one of Wetter: 15 km and 5 km of 20; together one route."""
    joint = plan(
        route(
            *(stop(number, StopState.DONE, municipality="lohra") for number in (1, 2, 3)),
            stop(4, municipality="wetter"),
        )
    )
    lohra, wetter, both = Figures(), Figures(), Figures()
    add_routes(lohra, joint, "lohra", {})
    add_routes(wetter, joint, "wetter", {})
    assert (lohra.distance_km, wetter.distance_km) == (15, 5)
    assert (lohra.fuel_l, wetter.stops_done) == (4.5, 0)  # 30 l for 100 km where nothing is known
    both.add(lohra)
    both.add(wetter)
    assert (len(both.routes), both.distance_km, both.stops_done) == (1, 20, 3)


def test_the_plan_that_was_driven_is_the_answered_one() -> None:
    answered = plan(route(stop(1, StopState.SKIPPED)), plan_id="old")
    later = plan(route(stop(1)), plan_id="new", created_at=SIX + timedelta(hours=9))
    assert driven([answered, later]).plan_id == "old"
    assert driven([later, replace(later, plan_id="newer", created_at=SIX + timedelta(hours=10))]).plan_id == "newer"


def test_confirmed_and_seen_are_one_emptying() -> None:
    seen = [
        ("bin-1", SIX + timedelta(minutes=20), 0.91),  # the sensor's view of the confirmed one
        ("bin-1", SIX + timedelta(days=3), 0.5),  # nobody confirmed this
        ("bin-2", SIX - timedelta(days=2), 0.7),  # long before
    ]
    found = emptyings([stop(1, StopState.DONE), stop(2, StopState.DONE, filling_level=0.2)], seen)
    assert sorted(found, key=lambda each: (each.device_id, each.at)) == [
        Emptied("bin-1", SIX, 0.91, confirmed=True),
        Emptied("bin-1", SIX + timedelta(days=3), 0.5, confirmed=False),
        Emptied("bin-2", SIX - timedelta(days=2), 0.7, confirmed=False),
        Emptied("bin-2", SIX, 0.2, confirmed=True),
    ]


def test_levels_at_emptying_by_tenths() -> None:
    figures = Figures()
    levels = (0.05, 0.29, 0.3, 0.79, 1.0, 1.2, None)
    add_emptyings(figures, [Emptied("b", SIX, level, confirmed=level != 0.3) for level in levels])
    assert figures.levels == [1, 0, 1, 1, 0, 0, 0, 1, 0, 2]
    assert figures.level_mean == pytest.approx((0.05 + 0.29 + 0.3 + 0.79 + 1 + 1) / 6)
    assert (figures.emptyings, figures.emptyings_unconfirmed, figures.emptied_low) == (7, 1, 2)
    assert Figures().level_mean is None


def test_full_until_the_next_level_and_no_longer_than_a_level_is_believed() -> None:
    def at(hours: float) -> datetime:
        return SIX + timedelta(hours=hours)

    end = at(200)
    levels = [(at(0), 0.9), (at(1), 0.96), (at(2), 1.0), (at(5), 0.1), (at(50), 0.97), (at(100), 0.2), (at(190), 0.99)]
    assert full_spans(levels, end) == [(at(1), at(5)), (at(50), at(86)), (at(190), at(200))]
    assert full_spans([], end) == []


def test_full_days_are_local() -> None:
    """22:30 UTC in May is half past midnight of the next day in Berlin."""
    berlin = ZoneInfo("Europe/Berlin")
    late = datetime(2026, 5, 4, 22, 30, tzinfo=UTC)
    assert full_days([(late, late + timedelta(hours=1))], berlin) == {date(2026, 5, 5)}
    midnight = datetime(2026, 5, 4, 22, tzinfo=UTC)
    assert full_days([(midnight - timedelta(hours=1), midnight)], berlin) == {date(2026, 5, 4)}
    assert full_days([(SIX, SIX + timedelta(days=2))], berlin) == {date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 6)}


def test_a_weekly_round_is_shared_out_over_working_days() -> None:
    figures = Figures(distance_km=60, unconfirmed_km=10, weekly_overflow_days=5.0, compared_overflow_days=2)
    add_weekly(figures, WeeklyTour(50_000, 3600 * 5, 15.0), [MONDAY + timedelta(days=number) for number in range(12)])
    assert (figures.weekly_rounds, figures.weekly_km, figures.weekly_hours, figures.weekly_fuel_l) == (2, 100, 10, 30)
    assert (figures.saved_km, figures.overflow_days_avoided) == (30, 3)
    assert (Figures().saved_km, Figures().overflow_days_avoided) == (None, None)
    figures.add(Figures(distance_km=500))  # another municipality, not compared
    assert (figures.distance_km, figures.saved_km) == (560, 30)
