"""Learning from the stores: what is kept, whose history it is, and that the due list uses it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions.pickups.learn_places import learn_missing, learn_municipality, public_holidays
from actions.pickups.levels import forecasts, newest_levels
from core.device import Device, DeviceStatus, Municipality
from core.pickup import EmptyingSource, Plan, PlanState, Route, Stop
from core.reading import Reading
from core.settings import Settings
from pickups.choosing import NO_POSITION, Known, choose
from pickups.filling.place_model import model_from_json
from readings.sqlite.store import SqliteReadings
from state.devices import DeviceFilter
from state.state import State, open_state

BERLIN = ZoneInfo("Europe/Berlin")
FOUND = Path(__file__).resolve().parents[4] / "shared" / "data" / "found" / "14-few-reports"
NOW = datetime(2026, 5, 20, 10, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class World:
    """The stores, and what a test says happened."""

    state: State
    readings: SqliteReadings
    settings: Settings

    def bin(self, device_id: str, municipality: str = "marburg", **changes: object) -> None:
        device = Device(device_id=device_id, device_type="waste_bin", municipality=municipality)
        self.state.devices.add(replace(device, **changes))  # type: ignore[arg-type]

    def fill(self, device_id: str, *, first: int, last: int, per_day: float = 0.2) -> None:
        """Levels every six hours from `first` to `last` days ago, emptied when more than 0.95 would be reached."""
        steps = (first - last) * 4
        municipality = self.state.devices.get(device_id).municipality
        readings = []
        for number in range(steps + 1):
            at = NOW - DAY * first + timedelta(hours=6 * number)
            level = round((number * per_day / 4) % 0.951, 4)
            readings.append(Reading(device_id, "waste_bin", municipality, at, at, {"filling_level": level}))
        self.readings.write(readings)

    def learn(self, now: datetime = NOW, municipality: str = "marburg") -> int:
        return learn_municipality(self.state, self.readings, municipality, now, zone=BERLIN, federal_state="HE")

    def forecasts(self, at: datetime) -> dict[str, tuple[str, float]]:
        bins = self.state.devices.all(DeviceFilter(device_type="waste_bin"))
        levels = newest_levels(self.readings, bins, None, NOW)
        found = forecasts(self.state, self.readings, bins, levels, until=NOW, at=at, zone=BERLIN)
        return {device_id: (expected.method, expected.filling_level) for device_id, expected in found.items()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        readings_url=f"sqlite:///{tmp_path / 'readings.db'}",
        state_url=f"sqlite:///{tmp_path / 'state.db'}",
        timezone="Europe/Berlin",
    )
    state = open_state(settings.state_url)
    readings = SqliteReadings(str(tmp_path / "readings.db"))
    for slug in ("marburg", "lohra"):
        state.municipalities.put(Municipality(municipality=slug, name=slug.title()))
    yield World(state, readings, settings)
    readings.close()
    state.close()


def test_what_was_learned_is_kept_and_forecasts_use_it(world: World) -> None:
    world.bin("old", attributes={"place_type": "park"})
    world.bin("new", attributes={"place_type": "park"})
    world.fill("old", first=40, last=0)
    world.fill("new", first=1, last=0)
    assert world.forecasts(NOW + DAY)["old"][0] == "linear_14d"
    assert world.learn() == 2
    found = world.forecasts(NOW + DAY)
    level = {item.device_id: float(item.value) for item in world.readings.latest()}
    assert found["old"] == ("learned", pytest.approx(level["old"] + 0.2, abs=0.05))
    assert found["new"] == ("learned_kind", pytest.approx(level["new"] + 0.2, abs=0.06))


def test_a_bin_that_came_after_learning_is_forecast_by_its_kind_or_by_all(world: World) -> None:
    world.bin("park", attributes={"place_type": "park"})
    world.fill("park", first=40, last=0, per_day=0.1)
    world.learn()
    world.bin("like-it", attributes={"place_type": "park"})
    world.bin("unlike", attributes={"place_type": "school"})
    for device_id in ("like-it", "unlike"):
        world.fill(device_id, first=1, last=0, per_day=0.1)
    found = world.forecasts(NOW + DAY)
    assert {found["like-it"][0], found["unlike"][0]} == {"learned_kind"}
    assert found["like-it"][1] == pytest.approx(0.2, abs=0.05)


def test_what_was_learned_later_is_not_used_for_an_earlier_day(world: World) -> None:
    world.bin("b")
    world.fill("b", first=40, last=0)
    world.learn(NOW + timedelta(minutes=1))
    assert world.forecasts(NOW + DAY)["b"][0] == "linear_14d"


def test_the_history_of_a_place_goes_on_in_the_next_bin(world: World) -> None:
    world.bin("broken", status=DeviceStatus.RETIRED, attributes={"place_id": "market-north"}, created_at=NOW - 90 * DAY)
    world.bin("its-successor", attributes={"place_id": "market-north"}, created_at=NOW - 2 * DAY)
    world.fill("broken", first=40, last=2)
    world.fill("its-successor", first=1, last=0)
    assert world.learn() == 1
    assert world.forecasts(NOW + DAY)["its-successor"][0] == "learned"
    assert len(world.state.emptyings.of_place("market-north", ["its-successor"])) > 3


def a_done_plan(device_id: str, done_at: datetime) -> Plan:
    stop = Stop(
        stop_id=f"stop-{device_id}",
        sequence=1,
        device_id=device_id,
        name="",
        latitude=50.8,
        longitude=8.8,
        filling_level=0.9,
        volume_l=120,
        reasons=(),
        arrival_s=0,
        distance_m=0,
    )
    route = Route(route_id="r", vehicle="v", stops=(stop,), distance_m=0, duration_s=0, load_l=0)
    return Plan(
        plan_id=f"plan-{device_id}",
        municipality="marburg",
        date=date(2026, 5, 19),
        state=PlanState.DONE,
        created_at=done_at,
        routes=(route,),
    )


def test_drivers_confirmations_and_drops_are_one_emptying(world: World) -> None:
    """0.2 a day from 40 days ago: the drops come every 4.75 days, seen within six hours."""
    world.bin("b")
    world.fill("b", first=40, last=0)
    world.learn()
    (newest, *_) = world.state.emptyings.of_place("b", ["b"])
    assert (newest.source, newest.level_before) == (EmptyingSource.DETECTED, pytest.approx(0.94, abs=0.02))
    assert newest.not_before == newest.at - timedelta(hours=6)
    driver = newest.at - timedelta(hours=2)
    world.state.pickups.add_plan(a_done_plan("b", driver))
    world.state.pickups.stop_done("stop-b", driver)
    before = len(world.state.emptyings.of_place("b", ["b"]))
    world.learn(NOW + timedelta(minutes=5))
    (merged, *others) = world.state.emptyings.of_place("b", ["b"])
    assert (merged.source, merged.at) == (EmptyingSource.BOTH, driver)
    assert len(others) == before - 1


def test_a_sensor_that_stands_is_reckoned_on_until_a_driver_empties_the_bin(world: World) -> None:
    """0.2 a day for weeks, then 0.4 for ten days: full by now, or two days' filling above it."""
    world.bin("b")
    world.fill("b", first=60, last=10)
    for number in range(41):
        at = NOW - 10 * DAY + timedelta(hours=6 * number)
        world.readings.write([Reading("b", "waste_bin", "marburg", at, at, {"filling_level": 0.4})])
    world.learn()
    assert world.forecasts(NOW + DAY)["b"] == ("learned_stuck", pytest.approx(1.0, abs=0.01))
    world.state.emptyings.record("b", "marburg", NOW - DAY, 0.4, 0.0)
    assert world.forecasts(NOW + DAY)["b"] == ("learned_stuck", pytest.approx(0.8, abs=0.05))


def test_each_municipality_is_learned_once_a_night(world: World) -> None:
    world.bin("b")
    world.bin("other", "lohra")
    world.fill("b", first=10, last=0)
    world.fill("other", first=10, last=0)
    learn_missing(world.settings, NOW)
    assert world.state.places.learned_at() == {"marburg": NOW, "lohra": NOW}
    learn_missing(world.settings, NOW + timedelta(hours=3))
    assert set(world.state.places.learned_at().values()) == {NOW}
    tomorrow = datetime(2026, 5, 21, 0, 30, tzinfo=UTC)  # 02:30 in Berlin
    learn_missing(world.settings, tomorrow)
    assert set(world.state.places.learned_at().values()) == {tomorrow}


def test_the_night_in_which_two_o_clock_comes_twice_is_one_night(world: World) -> None:
    """On 25 October 2026 Berlin has 02:05 at 00:05 and at 01:05 UTC."""
    world.bin("b")
    world.fill("b", first=10, last=0)
    first = datetime(2026, 10, 25, 0, 5, tzinfo=UTC)
    for now in (first, first + timedelta(hours=1)):
        learn_missing(world.settings, now)
    assert world.state.places.learned_at() == {"marburg": first}


def test_a_run_that_takes_long_leaves_the_rest_to_the_next(world: World) -> None:
    world.bin("b")
    world.bin("other", "lohra")
    for device_id in ("b", "other"):
        world.fill(device_id, first=10, last=0)
    learn_missing(world.settings, NOW, within_s=-1)
    assert set(world.state.places.learned_at()) == {"lohra"}
    learn_missing(world.settings, NOW, within_s=-1)
    assert set(world.state.places.learned_at()) == {"lohra", "marburg"}


def test_without_levels_nothing_is_learned_and_next_to_none_is_learned_again_soon(world: World) -> None:
    """A new platform, or one whose history is still being written: by the night its forecasts were of no use."""
    world.bin("b")
    learn_missing(world.settings, NOW)
    assert world.state.places.learned_at() == {}
    world.fill("b", first=1, last=0)
    for minutes, learned_minutes in ((0, 0), (2, 0), (6, 6)):
        now = NOW + timedelta(minutes=minutes)
        learn_missing(world.settings, now)
        assert world.state.places.learned_at() == {"marburg": NOW + timedelta(minutes=learned_minutes)}


def test_public_holidays_of_a_federal_state() -> None:
    """Corpus Christi is one in Hesse and none in Berlin."""
    assert date(2026, 6, 4) in public_holidays("HE", date(2026, 1, 1), date(2026, 12, 31))
    assert date(2026, 6, 4) not in public_holidays("BE", date(2026, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize("name", ["levels_twice", "levels_hourly"])
def test_a_bin_that_reports_just_before_and_after_its_emptying_fills_as_fast_as_it_does(
    world: World, name: str
) -> None:
    """Sixty days of 0.85 to 0.91 at eight and 0.02 after the emptying at nine: some 0.86 a day."""
    file = FOUND / f"{name}.csv"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    world.bin("b")
    times = [datetime.fromisoformat(row["t"]) for row in rows]
    world.readings.write(
        [
            Reading("b", "waste_bin", "marburg", at, at, {"filling_level": float(row["v"])})
            for at, row in zip(times, rows, strict=True)
        ]
    )
    assert world.learn(times[-1] + timedelta(hours=1)) == 1
    (stored,) = world.state.places.models("marburg").places.values()
    model = model_from_json(stored)
    assert model is not None
    assert model.rate == pytest.approx(0.86, abs=0.09)


def test_of_three_reports_in_two_hours_nothing_is_learned(world: World) -> None:
    """0.95 to 0.97: no date is named and no probability told, so the level decides, and it is over the threshold."""
    world.bin("b")
    for number, level in enumerate((0.95, 0.96, 0.97)):
        at = NOW - timedelta(hours=3 - number)
        world.readings.write([Reading("b", "waste_bin", "marburg", at, at, {"filling_level": level})])
    world.learn()
    assert world.forecasts(NOW + DAY) == {}
    bins = world.state.devices.all(DeviceFilter(device_type="waste_bin"))
    known = Known(levels=newest_levels(world.readings, bins, None, NOW), requested=(), today={}, next_chance={})
    (found,) = choose(bins, known, {"marburg": world.state.municipalities.get("marburg")}).left_out or [None]
    assert found is not None
    assert found.reason == NO_POSITION, "it would be emptied if it were known where"
