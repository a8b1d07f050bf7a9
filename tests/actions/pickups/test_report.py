"""The report from real stores: a municipality of two bins, four weeks, emptied when full."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions.pickups.find_weekly_round import find_missing_rounds, find_round
from actions.pickups.report import ReportLine, pickup_report
from actions.pickups.weekly_round import kept_round, knows_better, weekly_bins
from core.device import Device, Municipality, Place, Vehicle
from core.errors import InvalidInputError, NotFoundError
from core.pickup import DueReason, Plan, PlanState, Route, SkipReason, Stop, StopState
from core.reading import Reading
from core.settings import Settings
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore
from roads.great_circle import GreatCircleRoads
from state.pickup_history import WeeklyRound
from state.state import State, open_state

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 4, 20)  # a Monday
NOW = datetime(2026, 5, 18, 10, tzinfo=UTC)
LAST = date(2026, 5, 17)
TRUCK = Vehicle("truck", 1, 10_000.0, 8 * 3600, fuel_l_per_100km=40.0)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    opened.municipalities.put(
        Municipality(municipality="lohra", name="Lohra", depot=Place("Bauhof", 50.8, 8.7), vehicles=(TRUCK,))
    )
    for number in (1, 2):
        opened.devices.add(
            Device(
                device_id=f"bin-{number}",
                device_type="waste_bin",
                municipality="lohra",
                latitude=50.8 + number / 100,
                longitude=8.7,
            )
        )
    yield opened
    opened.close()


@pytest.fixture
def readings(tmp_path: Path) -> Iterator[ReadingStore]:
    opened = SqliteReadings(str(tmp_path / "readings.db"))
    yield opened
    opened.close()


def fill(readings: ReadingStore, device_id: str, levels: list[tuple[datetime, float]]) -> None:
    readings.write([Reading(device_id, "waste_bin", "lohra", at, at, {"filling_level": level}) for at, level in levels])


def noon(day: date, hours: float = 0) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(hours=hours)


def plan(day: date, *states: StopState, **changes: object) -> Plan:
    stops = tuple(
        Stop(
            stop_id=f"{day}-{number}",
            sequence=number,
            device_id=f"bin-{number}",
            name="",
            latitude=50.8,
            longitude=8.7,
            filling_level=0.6,
            volume_l=240,
            reasons=(DueReason.FORECAST,),
            arrival_s=600,
            distance_m=1000,
            state=state,
            done_at=noon(day) if state is StopState.DONE else None,
            skip_reason="blocked: car" if state is StopState.SKIPPED else None,
        )
        for number, state in enumerate(states, 1)
    )
    route = Route(
        route_id=f"r-{day}", vehicle="truck", stops=stops, distance_m=5000, duration_s=3600, load_l=480, start_s=21_600
    )
    made = Plan(
        plan_id=f"p-{day}",
        municipality="lohra",
        date=day,
        state=PlanState.DONE,
        created_at=noon(day, -8),
        routes=(route,),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def report(state: State, readings: ReadingStore, **options: object) -> list[ReportLine]:
    of = {"municipality": "lohra", "first": FIRST, "last": LAST} | options
    return pickup_report(state, readings, zone=BERLIN, now=NOW, **of)  # type: ignore[arg-type]


def test_months_and_total_from_plans_answers_and_levels(state: State, readings: ReadingStore) -> None:
    for day, states in (
        (date(2026, 4, 21), (StopState.DONE, StopState.SKIPPED)),
        (date(2026, 4, 28), (StopState.DONE,)),
        (date(2026, 5, 5), (StopState.DONE, StopState.DONE)),
        (date(2026, 5, 12), (StopState.PLANNED,)),
    ):
        state.pickups.add_plan(plan(day, *states))
    state.emptyings.record("bin-1", "lohra", noon(date(2026, 4, 21), 1), 0.9, 0.0)  # seen and confirmed
    state.emptyings.record("bin-2", "lohra", noon(date(2026, 5, 8)), 0.25, 0.0)  # seen only
    # bin-1 is full from noon of 5 May until it is emptied six hours later; no other bin is.
    fill(
        readings,
        "bin-1",
        [(noon(date(2026, 5, 4)), 0.8), (noon(date(2026, 5, 5)), 1.0), (noon(date(2026, 5, 5), 6), 0.0)],
    )
    lines = report(state, readings)
    assert [(line.municipality, line.month) for line in lines] == [
        ("lohra", date(2026, 4, 1)),
        ("lohra", date(2026, 5, 1)),
        ("lohra", None),
    ]
    april, may, total = (line.figures for line in lines)
    assert (len(april.routes), april.distance_km, april.hours, april.fuel_l) == (2, 10, 2, pytest.approx(4))
    assert (april.stops_done, april.skipped) == (2, {SkipReason.BLOCKED: 1})
    assert april.level_mean == pytest.approx((0.9 + 0.6) / 2)
    assert (len(may.routes), len(may.unconfirmed), may.unconfirmed_km) == (1, 1, 5)
    assert (may.emptyings, may.emptyings_unconfirmed, may.emptied_low) == (3, 1, 1)
    assert (may.overflow_bins, may.overflow_days, may.overflow_hours) == ({"bin-1"}, 1, 6)
    assert (len(total.routes), total.distance_km, total.stops_done, total.emptyings) == (3, 15, 4, 5)
    assert total.saved_km is None  # no weekly round is known


def test_beside_the_weekly_schedule_on_the_days_with_plans(state: State, readings: ReadingStore) -> None:
    """Plans from Tuesday 21 April to Tuesday 5 May: 11 working days are 2.2 rounds of 12 km."""
    for day in (date(2026, 4, 21), date(2026, 5, 5)):
        state.pickups.add_plan(plan(day, StopState.DONE))
    # bin-2 takes a fifth a day and was emptied each third day by somebody, so that it never was full; emptied once a
    # week it is full on three of seven days.
    for number in range(-1, 28):
        day = FIRST + timedelta(days=number)
        start = 0.2 * (number % 3)
        fill(readings, "bin-2", [(noon(day, -11), start), (noon(day, 11), start + 0.2)])
        if number % 3 == 0:
            state.emptyings.record("bin-2", "lohra", noon(day, -11.5), 0.6, 0.0)
    (total,) = [
        line.figures
        for line in report(state, readings, round_of=lambda *_: WeeklyRound("x", 12_000, 3600, 4.8, "osm"))
        if line.month is None
    ]
    assert (total.compared_days, total.weekly_rounds) == (15, pytest.approx(2.2))
    assert total.weekly_km == pytest.approx(26.4)
    assert total.saved_km == pytest.approx(26.4 - 10)
    assert total.overflow_days == 0
    assert 4 <= (total.overflow_days_avoided or 0) <= 7  # three of seven of fifteen days are six


def test_a_plan_of_the_day_that_nobody_drove_does_not_count_twice(state: State, readings: ReadingStore) -> None:
    day = date(2026, 5, 5)
    state.pickups.add_plan(plan(day, StopState.DONE))
    second = plan(day, StopState.PLANNED, plan_id="again", created_at=noon(day, 2))
    stops = tuple(replace(stop, stop_id="other") for stop in second.routes[0].stops)
    state.pickups.add_plan(replace(second, routes=(replace(second.routes[0], route_id="other", stops=stops),)))
    total = report(state, readings)[-1].figures
    assert (total.routes, total.unconfirmed, total.distance_km) == ({"r-2026-05-05"}, set(), 5)


def test_all_municipalities_have_a_last_line(state: State, readings: ReadingStore) -> None:
    state.municipalities.put(Municipality(municipality="wetter", name="Wetter"))  # without bins: no lines
    lines = report(state, readings, municipality=None, first=date(2026, 5, 1))
    assert [(line.municipality, line.month) for line in lines] == [
        ("lohra", date(2026, 5, 1)),
        ("lohra", None),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"first": date(2026, 5, 19)}, "nor in the future"),
        ({"first": LAST, "last": FIRST}, "must not be after end"),
        ({"first": date(2025, 1, 1)}, "502 days are more than 366"),
    ],
)
def test_wrong_days_are_one_sentence(
    state: State, readings: ReadingStore, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        report(state, readings, **options)


def test_an_unknown_municipality(state: State, readings: ReadingStore) -> None:
    with pytest.raises(NotFoundError):
        report(state, readings, municipality="nowhere")


def test_the_weekly_round_is_found_once_for_the_same_bins(state: State) -> None:
    """Two bins in a line north of the depot: there and back over great circles times 1.35, 6.004 km."""
    lohra = state.municipalities.get("lohra")
    bins = weekly_bins(state, "lohra")
    assert kept_round(state, lohra, bins) is None
    found = find_round(state, GreatCircleRoads(), lohra, bins)
    assert found.distance_m == pytest.approx(2 * 2 * 1111.95 * 1.35, abs=5)
    assert found.fuel_l == pytest.approx(found.distance_m / 100_000 * 40)
    assert found.distance_source == "great_circle_x1.35"
    assert kept_round(state, lohra, bins) == found
    assert kept_round(state, lohra, bins[:1]) is None
    moved = replace(lohra, depot=Place("Bauhof", 50.7, 8.7))
    assert kept_round(state, moved, bins) is None


def test_a_round_that_cannot_be_driven_compares_nothing(state: State, readings: ReadingStore) -> None:
    lohra = replace(state.municipalities.get("lohra"), vehicles=())
    state.municipalities.put(lohra)
    state.pickups.add_plan(plan(date(2026, 5, 5), StopState.DONE))
    bins = weekly_bins(state, "lohra")
    assert find_round(state, GreatCircleRoads(), lohra, bins).distance_m == 0
    assert kept_round(state, lohra, bins) is not None  # it is not looked for again
    assert report(state, readings)[-1].figures.saved_km is None


def test_the_job_finds_what_is_missing_and_what_roads_know_better(state: State, tmp_path: Path) -> None:
    lohra = state.municipalities.get("lohra")
    settings = Settings(_env_file=None, data_dir=tmp_path, state_url=f"sqlite:///{tmp_path / 'state.db'}")
    find_missing_rounds(settings)
    found = kept_round(state, lohra, weekly_bins(state, "lohra"))
    assert found is not None
    assert found.distance_m > 0
    assert not knows_better(settings, found)
    assert knows_better(settings.model_copy(update={"osm_pbf": tmp_path / "some.osm.pbf"}), found)
