"""What is wrong with the input of a plan is told by name, and the rest is planned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from actions.pickups.plan import plan_day
from core.device import Device, DisposalSite, Municipality, Place, Vehicle
from core.pickup import Plan, PlanState
from core.reading import Reading
from core.settings import Settings
from core.travel import Position, Roads, TravelMatrix, TruckProfile
from readings.sqlite.store import SqliteReadings
from roads import open_roads
from roads.great_circle import GreatCircleRoads
from state.state import State, open_state

DAY = date(2026, 5, 6)
MORNING = datetime(2026, 5, 6, 4, tzinfo=UTC)
SETTINGS = Settings(timezone="Europe/Berlin")


@dataclass
class World:
    """A municipality with one good bin; a test adds what is wrong."""

    state: State
    readings: SqliteReadings

    def bin(self, device_id: str, level: float = 0.9, **changes: object) -> None:
        device = Device(
            device_id=device_id, device_type="waste_bin", municipality="marburg", latitude=50.81, longitude=8.77
        )
        self.state.devices.add(replace(device, **changes))  # type: ignore[arg-type]
        at = MORNING - timedelta(hours=1)
        self.readings.write([Reading(device_id, "waste_bin", "marburg", at, at, {"filling_level": level})])

    def change(self, **changes: object) -> None:
        marburg = self.state.municipalities.get("marburg")
        self.state.municipalities.put(replace(marburg, **changes))  # type: ignore[arg-type]

    def plan(self, roads: Roads | None = None, day: date = DAY) -> Plan:
        made = plan_day(
            self.state,
            self.readings,
            "marburg",
            day,
            settings=SETTINGS,
            clock=lambda: MORNING,
            roads=roads,
            time_limit_s=0.2,
        )
        assert self.state.pickups.get_plan(made.plan_id) == made
        return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    readings = SqliteReadings(str(tmp_path / "readings.db"))
    state.municipalities.put(
        Municipality(
            municipality="marburg",
            name="Marburg",
            depot=Place("Bauhof", 50.80, 8.76),
            disposal_sites=(DisposalSite("Umladestation", 50.84, 8.76),),
        )
    )
    made = World(state, readings)
    made.bin("good")
    yield made
    readings.close()
    state.close()


def stops(plan: Plan) -> list[str]:
    assert (plan.state, plan.error) == (PlanState.DONE, None)
    return sorted(stop.device_id for route in plan.routes for stop in route.stops)


class Sea(GreatCircleRoads):
    """Roads that end at 8 degrees east."""

    def matrix(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> TravelMatrix:
        wet = {index: "no road within 300 m" for index, (_, longitude) in enumerate(positions) if longitude < 8}
        return replace(super().matrix(positions, truck), unreachable=wet)


class TestTheRestIsPlanned:
    @pytest.mark.parametrize(
        ("attributes", "told"),
        [
            (
                {"collection_hours": "06:00-08:00", "no_collection_hours": "05:00-09:00"},
                "no_collection_hours '05:00-09:00' leave no time to empty it, which takes 120 s",
            ),
            ({"collection_hours": "early"}, "collection_hours 'early' is no list of hours"),
            ({"collection_hours": "02:00-04:00"}, "outside the shift"),
            ({"vehicles": "boat"}, "vehicles 'boat' names no vehicle of municipality marburg"),
            ({"volume_l": 30_000}, "27000 l are more than the 10000 l of any vehicle"),
        ],
    )
    def test_without_a_bin_that_cannot_be_emptied(self, world: World, attributes: dict[str, object], told: str) -> None:
        world.bin("bad", attributes=attributes)
        plan = world.plan()
        assert stops(plan) == ["good"]
        assert plan.unplanned == ("bad",)
        assert told in plan.unplanned_reasons["bad"]

    def test_without_a_bin_in_the_sea(self, world: World) -> None:
        world.bin("buoy", longitude=7.0)
        plan = world.plan(Sea())
        assert stops(plan) == ["good"]
        assert plan.unplanned_reasons == {"buoy": "not reachable: no road within 300 m"}

    def test_without_a_bin_on_the_other_side_of_the_earth(self, world: World) -> None:
        """Great circles reach everything, but no shift is that long."""
        world.bin("far", latitude=-40.0, longitude=-171.0)
        plan = world.plan()
        assert stops(plan) == ["good"]
        assert "longer than the shift of every vehicle" in plan.unplanned_reasons["far"]

    def test_without_a_bin_that_has_no_position(self, world: World) -> None:
        world.bin("lost", latitude=None, longitude=None)
        plan = world.plan()
        assert stops(plan) == ["good"]
        assert plan.unplanned_reasons == {"lost": "no position"}

    def test_without_a_kind_that_no_site_takes(self, world: World) -> None:
        world.change(disposal_sites=(DisposalSite("Umladestation", 50.84, 8.76, waste_kinds=("residual",)),))
        world.bin("bottles", attributes={"waste_kind": "glass"})
        plan = world.plan()
        assert stops(plan) == ["good"]
        assert plan.unplanned_reasons == {"bottles": "no disposal site takes glass"}

    def test_without_a_kind_that_no_vehicle_is_left_for(self, world: World) -> None:
        world.bin("bottles", attributes={"waste_kind": "glass", "volume_l": 100})
        plan = world.plan()
        assert stops(plan) == ["good"]
        assert plan.unplanned_reasons == {"bottles": "no vehicle is left for glass on this day"}

    def test_with_one_shift_too_short_the_other_vehicle_drives(self, world: World) -> None:
        world.change(vehicles=(Vehicle("half-hour", 1, 9000, 1800), Vehicle("truck", 1, 9000, 28_800)))
        plan = world.plan()
        assert [route.vehicle for route in plan.routes] == ["truck"]

    def test_without_the_extract_that_cannot_be_read(self, world: World, tmp_path: Path) -> None:
        extract = tmp_path / "broken.osm.pbf"
        extract.write_bytes(b"no roads here")
        plan = world.plan(open_roads(Settings(_env_file=None, osm_pbf=extract, data_dir=tmp_path)))
        assert (plan.state, plan.distance_source) == (PlanState.DONE, "great_circle_x1.35")
        assert [stop.device_id for route in plan.routes for stop in route.stops] == ["good"]
        assert plan.notice is not None
        assert str(extract) in plan.notice
        assert plan.notice.endswith("; distances are straight lines x 1.35")


class TestNothingCanBePlanned:
    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"vehicles": ()}, "municipality marburg has no vehicle"),
            ({"vehicles": (Vehicle("truck", 0, 9000, 28_800),)}, "municipality marburg has no vehicle"),
            ({"vehicles": (Vehicle("truck", 1, 9000, 1800),)}, "vehicle truck: its shift has"),
            (
                {"disposal_sites": (DisposalSite("Kai", 50.8, 7.0),)},
                "disposal site Kai: not reachable: no road within 300 m",
            ),
            ({"depot": Place("Hafen", 50.8, 7.0)}, "vehicle truck: its start is not reachable: no road within 300 m"),
        ],
    )
    def test_the_plan_fails_and_says_why(self, world: World, changes: dict[str, object], told: str) -> None:
        world.change(**changes)
        plan = world.plan(Sea())
        assert plan.state is PlanState.FAILED
        assert plan.error is not None
        assert told in plan.error

    def test_a_date_out_of_range(self, world: World) -> None:
        plan = world.plan(day=date.max)
        assert (plan.state, plan.error) == (
            PlanState.FAILED,
            "date 9999-12-31 is not within the years 1970 to 2999",
        )

    def test_a_plan_that_does_not_pass_its_check_is_never_shown(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("actions.pickups.routes.violations", lambda _problem, _solution: ["bin good is late"])
        plan = world.plan()
        assert plan.state is PlanState.FAILED
        assert plan.error == "the plan for residual did not pass its check: bin good is late"
        assert plan.routes == ()
