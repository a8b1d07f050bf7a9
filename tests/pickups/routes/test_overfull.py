"""Days with more due bins than the vehicles can empty: full tours whatever the time limit, the urgent bins first."""

import csv
import random
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.pickups.plan import plan_day
from core.device import Device
from core.pickup import PlanState
from core.reading import Reading
from core.settings import Settings
from core.travel import TravelMatrix
from pickups.routes.checker import violations
from pickups.routes.construction import constructed
from pickups.routes.planner import solve
from pickups.routes.problem import NO_ROOM, Candidate, Problem, Site, Solution, VehicleKind, VisitKind, Window
from readings.open import open_readings
from state.state import open_state

HOUR = 3600
FOUND = Path(__file__).resolve().parents[4] / "shared" / "data" / "found" / "01-overfull-day"


def town(
    bins: int, trucks: int, *, capacity_l: int = 10_000, windows: tuple[tuple[Window, ...], ...] = ((),), seed: int = 1
) -> Problem:
    """Bins at random in eight by eight kilometres, 30 km/h, all at three levels of urgency; one site per windows."""
    chance = random.Random(seed)
    places = [(4.0, 4.0), *((chance.uniform(0, 8), chance.uniform(0, 8)) for _ in range(len(windows) + bins))]
    at = np.array(places)
    metres = np.rint(np.abs(at[:, None, :] - at[None, :, :]).sum(axis=2) * 1000).astype(np.int64)
    travel = TravelMatrix(distances_m=metres, durations_s=np.rint(metres / 8.33).astype(np.int64), source="blocks")
    first = 1 + len(windows)
    return Problem(
        travel=(travel,),
        candidates=tuple(
            Candidate(
                device_id=f"b{number}",
                location=first + number,
                volume_l=240,
                weight_kg=20,
                service_s=120,
                urgency=(1.0, 2.0, 4.0)[number % 3],
            )
            for number in range(bins)
        ),
        sites=tuple(
            Site(name=f"site {number}", location=1 + number, unload_s=900, windows=opening)
            for number, opening in enumerate(windows)
        ),
        vehicles=(
            VehicleKind(
                name="truck",
                count=trucks,
                start=0,
                end=0,
                capacity_l=capacity_l,
                earliest_s=6 * HOUR,
                latest_s=24 * HOUR,
                max_duration_s=8 * HOUR,
                fixed_cost=10_000,
            ),
        ),
    )


def stops(solution: Solution) -> list[str]:
    return [visit.device_id or "" for tour in solution.tours for visit in tour.visits if visit.kind is VisitKind.STOP]


@pytest.mark.parametrize(
    ("bins", "trucks", "least"), [(100, 1, 85), (160, 1, 90), (300, 1, 95), (300, 3, 250), (1000, 2, 230)]
)
def test_the_tours_are_full_after_a_second(bins: int, trucks: int, least: int) -> None:
    """`least` is below what was seen in a second; what there was before was none."""
    day = town(bins, trucks)
    found = solve(day, time_limit_s=1.0, seed=1, processes=1)
    assert violations(day, found) == []
    assert len(stops(found)) >= least
    assert {each.reason for each in found.left_out} <= {NO_ROOM}
    assert len(found.left_out) == bins - len(stops(found))


@pytest.mark.parametrize(
    "changes",
    [
        {"capacity_l": 5_000},
        {"windows": ((Window(7 * HOUR, 10 * HOUR),), (Window(9 * HOUR, 13 * HOUR),), ())},
        {"capacity_l": 3_000, "windows": ((Window(7 * HOUR, 9 * HOUR), Window(11 * HOUR, 16 * HOUR)),)},
    ],
    ids=["reload", "several sites with hours", "reload at one with a noon break"],
)
def test_so_they_are_with_reloads_breaks_and_sites(changes: dict[str, object]) -> None:
    day = town(160, 1, **changes)  # type: ignore[arg-type]
    found = solve(day, time_limit_s=1.0, seed=1, processes=1)
    assert violations(day, found) == []
    assert len(stops(found)) >= 60
    (tour,) = found.tours
    assert any(visit.kind is VisitKind.BREAK for visit in tour.visits)


def test_the_urgent_bins_are_planned_first() -> None:
    """Of 300 bins a third counts four times as much as another third."""
    day = town(300, 1)
    planned = set(stops(solve(day, time_limit_s=1.0, seed=1, processes=1)))
    share = {
        urgency: sum(one.device_id in planned for one in day.candidates if one.urgency == urgency)
        for urgency in (1.0, 2.0, 4.0)
    }
    assert share[4.0] > 2 * share[1.0]


def test_no_answer_is_worse_than_the_tours_that_are_built_first() -> None:
    day = town(160, 1)
    built = {index for _, order in constructed(day, range(160)) for index in order if index >= 0}
    urgency = sum(day.candidates[index].urgency for index in built)
    found = solve(day, time_limit_s=0.1, seed=1, processes=1)
    assert sum(one.urgency for one in day.candidates if one.device_id in set(stops(found))) >= urgency > 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    bins=st.integers(1, 60),
    trucks=st.integers(1, 3),
    capacity_l=st.integers(240, 12_000),
    shift_h=st.integers(1, 10),
    from_h=st.integers(0, 20),
    seed=st.integers(0, 1_000),
)
def test_whatever_the_day_each_bin_is_planned_once_or_left_out_with_a_reason(  # noqa: PLR0917 - given by hypothesis
    bins: int, trucks: int, capacity_l: int, shift_h: int, from_h: int, seed: int
) -> None:
    day = town(bins, trucks, capacity_l=capacity_l, seed=seed)
    (kind,) = day.vehicles
    shift = {"earliest_s": from_h * HOUR, "latest_s": (from_h + shift_h) * HOUR, "max_duration_s": shift_h * HOUR}
    day = Problem(
        travel=day.travel,
        candidates=day.candidates,
        sites=day.sites,
        vehicles=(VehicleKind(**({name: getattr(kind, name) for name in kind.__slots__} | shift)),),
    )
    found = solve(day, time_limit_s=0.1, seed=seed, processes=1)
    assert violations(day, found) == []
    everybody = [*stops(found), *(each.device_id for each in found.left_out)]
    assert sorted(everybody) == sorted(one.device_id for one in day.candidates)
    assert all(each.reason for each in found.left_out)
    assert all(visit.begin_s >= from_h * HOUR for tour in found.tours for visit in tour.visits)


@pytest.mark.skipif(not FOUND.is_dir(), reason=f"{FOUND} is not there")
def test_the_day_that_was_found_has_a_full_tour(tmp_path: Path) -> None:
    """160 bins at 100 %, one default truck: about 120 stops, the others named."""
    made = Settings(_env_file=None, data_dir=tmp_path)
    state, readings = open_state(made.state_url), open_readings(made)
    state.municipalities.ensure("m160")
    state.devices.put_many([_device(row) for row in csv.DictReader((FOUND / "bins.csv").open(encoding="utf-8"))])
    levels = csv.DictReader((FOUND / "levels.csv").open(encoding="utf-8"))
    readings.write([_level(row) for row in levels])
    plan = plan_day(
        state,
        readings,
        "m160",
        date(2026, 11, 30),
        settings=made,
        clock=lambda: datetime(2026, 11, 30, 4, tzinfo=UTC),
        time_limit_s=2.0,
    )
    assert plan.state is PlanState.DONE
    assert sum(len(route.stops) for route in plan.routes) >= 110
    assert sum(len(route.stops) for route in plan.routes) + len(plan.unplanned) == 160
    assert set(plan.unplanned_reasons.values()) == {NO_ROOM}
    readings.close()
    state.close()


def _device(row: dict[str, str]) -> Device:
    return Device(
        device_id=row["id"],
        device_type="waste_bin",
        municipality=row["municipality"],
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
    )


def _level(row: dict[str, str]) -> Reading:
    at = datetime.fromisoformat(row["t"])
    return Reading(row["id"], "waste_bin", "m160", at, at, {"filling_level": float(row["v"])})
