from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from actions.pickups import plan as plan_pickups
from actions.pickups.bins_of_day import ASSUMED_DEPOT
from actions.pickups.due import due_for
from actions.pickups.plan import plan_day, run_plan
from actions.pickups.plan_missing import plan_changed, plan_missing
from actions.pickups.queue_plan import queue_plan
from core.device import Device, DeviceStatus, DisposalSite, Municipality, Place, Vehicle
from core.errors import ConflictError, InvalidInputError, NotFoundError
from core.pickup import DueReason, PickupRequest, Plan, PlanState
from core.reading import Reading
from core.settings import Settings
from readings.sqlite.store import SqliteReadings
from state.state import State, open_state
from state.tables import plans

BERLIN = ZoneInfo("Europe/Berlin")
SETTINGS = Settings(timezone="Europe/Berlin")
DAY = date(2026, 5, 6)
MORNING = datetime(2026, 5, 6, 4, tzinfo=UTC)
"""06:00 in Berlin, where it is summer time."""
LATER = datetime(2026, 5, 20, 10, tzinfo=UTC)


@dataclass
class World:
    """The stores, and what a test says happened."""

    state: State
    readings: SqliteReadings
    now: datetime = MORNING
    """What time it is for planning."""

    def clock(self) -> datetime:
        return self.now

    def plan(self, municipality: str, progress: Callable[[float], None] | None = None) -> Plan:
        return plan_day(
            self.state,
            self.readings,
            municipality,
            DAY,
            settings=SETTINGS,
            clock=self.clock,
            time_limit_s=0.2,
            progress=progress,
        )

    def run(self, plan_id: str, holder: str) -> Plan:
        return run_plan(
            self.state, self.readings, plan_id, holder, settings=SETTINGS, clock=self.clock, time_limit_s=0.2
        )

    def bin(self, device_id: str, **changes: object) -> None:
        device = Device(
            device_id=device_id,
            device_type="waste_bin",
            municipality="marburg",
            name=f"Bin {device_id}",
            latitude=50.81,
            longitude=8.77,
        )
        self.state.devices.add(replace(device, **changes))  # type: ignore[arg-type]

    def level(self, device_id: str, at: datetime, level: float) -> None:
        values = {"filling_level": level, "battery_level": 0.9}
        self.readings.write([Reading(device_id, "waste_bin", "marburg", at, at, values)])

    def due(
        self, day: date = DAY, now: datetime = MORNING, municipality: str | None = "marburg"
    ) -> dict[str, tuple[str, ...]]:
        found = due_for(self.state, self.readings, municipality, day, BERLIN, now=now)
        return {bin_.device_id: tuple(reason.value for reason in bin_.reasons) for bin_ in found}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    readings = SqliteReadings(str(tmp_path / "readings.db"))
    state.municipalities.put(
        Municipality(
            municipality="marburg",
            name="Marburg",
            depot=Place("Bauhof", 50.80, 8.76),
            disposal_sites=(DisposalSite("Deponie", 50.78, 8.70),),
        )
    )
    yield World(state, readings)
    readings.close()
    state.close()


class TestDue:
    def test_today_the_newest_level_counts(self, world: World) -> None:
        for device_id, levels in {"a": (0.2, 0.9), "b": (0.9, 0.1), "c": ()}.items():
            world.bin(device_id)
            for hours, level in zip((8, 1), levels, strict=False):
                world.level(device_id, MORNING - timedelta(hours=hours), level)
        assert world.due() == {"a": ("above_threshold",)}

    def test_a_day_that_is_over_is_judged_by_what_was_known_at_six(self, world: World) -> None:
        """At 05:59 the bin was full; what came at 06:00 and on later days was not known."""
        world.bin("a")
        world.level("a", MORNING - timedelta(minutes=1), 0.9)
        world.level("a", MORNING, 0.0)
        world.bin("b")
        world.level("b", MORNING - timedelta(hours=20), 0.1)
        world.level("b", MORNING + timedelta(hours=1), 1.0)
        assert world.due(DAY, LATER) == {"a": ("above_threshold",)}
        (found,) = due_for(world.state, world.readings, "marburg", DAY, BERLIN, now=LATER)
        assert (found.filling_level, found.observed_at) == (0.9, MORNING - timedelta(minutes=1))

    def test_a_bin_expected_full_by_the_end_of_the_day_is_due(self, world: World) -> None:
        """0.1 a day to 0.75 at 06:00; 18 hours later 0.825: over 0.8 at midnight. A slower one is not."""
        for device_id, newest, rise in (("fast", 0.75, 0.1), ("slow", 0.75, 0.05)):
            world.bin(device_id)
            for days in range(5):
                world.level(device_id, MORNING - timedelta(days=days, minutes=1), newest - rise * days)
        assert world.due() == {"fast": ("forecast",)}
        (found,) = due_for(world.state, world.readings, "marburg", DAY, BERLIN, now=MORNING)
        assert found.forecast is not None
        assert found.forecast.at == datetime(2026, 5, 6, 22, tzinfo=UTC)
        assert found.forecast.filling_level == pytest.approx(0.825, abs=0.001)

    def test_tomorrow_is_judged_by_forecast(self, world: World) -> None:
        world.bin("slow")
        for days in range(5):
            world.level("slow", MORNING - timedelta(days=days, minutes=1), 0.75 - 0.05 * days)
        assert world.due(DAY) == {}
        assert world.due(DAY + timedelta(days=1)) == {"slow": ("forecast",)}

    def test_a_level_of_long_ago_is_no_news(self, world: World) -> None:
        world.bin("a")
        world.level("a", MORNING - timedelta(days=17), 1.0)
        assert world.due() == {}
        assert world.due(DAY, LATER) == {}

    def test_open_requests_count_from_when_they_were_made(self, world: World) -> None:
        for device_id, at in (("before", MORNING - timedelta(hours=1)), ("after", MORNING + timedelta(days=1))):
            world.bin(device_id)
            request = PickupRequest(device_id=device_id, municipality="marburg", requested_at=at, reason="citizen")
            world.state.pickups.request(request)
        assert world.due(DAY, LATER) == {"before": ("requested",)}
        assert set(world.due(LATER.date(), LATER)) == {"before", "after"}

    def test_a_confirmed_stop_counts_as_emptied_until_the_bin_reports_again(self, world: World) -> None:
        world.bin("a")
        world.level("a", MORNING - timedelta(hours=1), 0.9)
        plan = world.plan("marburg")
        world.state.pickups.stop_done(plan.routes[0].stops[0].stop_id, MORNING + timedelta(hours=2))
        world.now = MORNING + timedelta(hours=3)
        assert world.due(now=MORNING + timedelta(hours=3)) == {}
        world.level("a", MORNING + timedelta(hours=4), 0.85)
        assert world.due(now=MORNING + timedelta(hours=5)) == {"a": ("above_threshold",)}

    def test_each_municipality_has_its_threshold_and_unknown_ones_the_default(self, world: World) -> None:
        world.state.municipalities.put(Municipality(municipality="lahntal", name="Lahntal", filling_threshold=0.5))
        for device_id, municipality in (("m", "marburg"), ("l", "lahntal"), ("x", "unknown")):
            world.bin(device_id, municipality=municipality)
            world.level(device_id, MORNING - timedelta(hours=1), 0.6)
        assert world.due(municipality=None) == {"l": ("above_threshold",)}

    def test_bins_that_are_not_in_service_and_other_devices_are_not_due(self, world: World) -> None:
        world.bin("retired", status=DeviceStatus.RETIRED)
        world.bin("lamp", device_type="streetlight")
        for device_id in ("retired", "lamp"):
            world.level(device_id, MORNING - timedelta(hours=1), 1.0)
        assert world.due() == {}

    def test_what_is_wrong_is_said(self, world: World) -> None:
        with pytest.raises(NotFoundError, match="nowhere"):
            world.due(municipality="nowhere")
        with pytest.raises(InvalidInputError, match="9999-12-31 is not within the years"):
            world.due(day=date.max)


class TestPlan:
    def test_a_plan_is_made_and_kept(self, world: World) -> None:
        for number in range(3):
            world.bin(f"b{number}", longitude=8.77 + number / 100)
            world.level(f"b{number}", MORNING - timedelta(hours=1), 0.9)
        world.bin("lost", latitude=None, longitude=None)
        world.level("lost", MORNING - timedelta(hours=1), 0.9)
        plan = world.plan("marburg")
        assert plan.state is PlanState.DONE
        assert (plan.progress, plan.error, plan.created_at) == (1.0, None, MORNING)
        assert sorted(stop.device_id for stop in plan.routes[0].stops) == ["b0", "b1", "b2"]
        assert [stop.sequence for stop in plan.routes[0].stops] == [1, 2, 3]
        assert plan.unplanned == ("lost",)
        assert plan.routes[0].stops[0].reasons == (DueReason.ABOVE_THRESHOLD,)
        assert (plan.depot_name, plan.disposal_name) == ("Bauhof", "Deponie")
        assert plan.distance_m == plan.routes[0].distance_m > 0
        assert plan.distance_source == "great_circle_x1.35"
        assert world.state.pickups.get_plan(plan.plan_id) == plan
        assert world.state.pickups.plan_in_force("marburg", DAY) == plan
        for text in (plan.plan_id, plan.routes[0].route_id, *(stop.stop_id for stop in plan.routes[0].stops)):
            assert str(UUID(text, version=4)) == text

    def test_nothing_due_is_a_plan_without_routes(self, world: World) -> None:
        plan = world.plan("marburg")
        assert (plan.state, plan.routes, plan.unplanned) == (PlanState.DONE, (), ())

    def test_without_a_depot_the_middle_of_the_bins_stands_in_and_is_named(self, world: World) -> None:
        world.state.municipalities.ensure("wyndham")
        for device_id, latitude in (("a", -37.90), ("b", -38.00)):
            world.bin(device_id, municipality="wyndham", latitude=latitude, longitude=144.0)
            at = MORNING - timedelta(hours=1)
            world.readings.write([Reading(device_id, "waste_bin", "wyndham", at, at, {"filling_level": 1.0})])
        plan = world.plan("wyndham")
        assert (plan.depot_name, plan.depot_latitude, plan.depot_longitude) == (ASSUMED_DEPOT, -37.95, 144.0)
        assert len(plan.routes[0].stops) == 2

    def test_a_plan_that_cannot_be_made_says_why(self, world: World) -> None:
        no_vehicles = replace(world.state.municipalities.get("marburg"), vehicles=(Vehicle("truck", 0, 1.0, 1),))
        world.state.municipalities.put(no_vehicles)
        world.bin("a")
        world.level("a", MORNING - timedelta(hours=1), 0.9)
        plan = world.plan("marburg")
        assert (plan.state, plan.error) == (PlanState.FAILED, "municipality marburg has no vehicle")
        assert plan.finished_at == MORNING
        assert world.state.pickups.get_plan(plan.plan_id) == plan

    def test_an_unexpected_error_does_not_leave_a_running_plan(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queued = queue_plan(world.state, "marburg", DAY, world.now)
        world.state.plan_queue.claim("me")
        monkeypatch.setattr(plan_pickups, "plan_routes", None)
        with pytest.raises(TypeError):
            world.run(queued.plan_id, "me")
        kept = world.state.pickups.get_plan(queued.plan_id)
        assert (kept.state, kept.error) == (PlanState.FAILED, "unexpected TypeError while planning")

    def test_a_queued_plan_runs_once(self, world: World) -> None:
        queued = queue_plan(world.state, "marburg", DAY, world.now)
        assert queued.state is PlanState.QUEUED
        with pytest.raises(ConflictError, match="is queued, and me is not making it"):
            world.run(queued.plan_id, "me")
        world.state.plan_queue.claim("me")
        with pytest.raises(ConflictError, match="is running, and another is not making it"):
            world.run(queued.plan_id, "another")
        world.run(queued.plan_id, "me")
        with pytest.raises(ConflictError, match="is done, and me is not making it"):
            world.run(queued.plan_id, "me")
        with pytest.raises(NotFoundError):
            world.run("no-such-plan", "me")
        with pytest.raises(NotFoundError):
            queue_plan(world.state, "nowhere", DAY, world.now)

    def test_whoever_plans_past_the_queue_gives_signs_of_life(
        self, world: World, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., object]
    ) -> None:
        monkeypatch.setattr(plan_pickups, "BEAT_S", 0.01)
        seen: list[datetime] = []

        def last_sign() -> datetime:
            with world.state.engine.connect() as connection:
                at: datetime = connection.execute(select(plans.c.heartbeat_at)).scalar_one()
                return at

        def look(_: float) -> None:
            if not seen:
                seen.append(last_sign())
                wait_until(lambda: last_sign() > seen[0], "there is a sign of life while it plans")

        plan = world.plan("marburg", progress=look)
        assert (plan.state, len(seen)) == (PlanState.DONE, 1)

    def test_progress_is_kept_while_the_search_goes_on(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        kept: list[float] = []
        monkeypatch.setattr(type(world.state.pickups), "set_progress", lambda _self, _plan, share: kept.append(share))
        for number in range(6):
            world.bin(f"b{number}", longitude=8.77 + number / 100)
            world.level(f"b{number}", MORNING - timedelta(hours=1), 0.9)
        world.plan("marburg")
        assert kept == sorted(kept)
        assert 0.1 == kept[0] < kept[-1] <= 1.0
        assert len(kept) > 3


class TestMissing:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(data_dir=tmp_path, timezone="Europe/Berlin")

    @pytest.fixture
    def make_missing(self, world: World, settings: Settings) -> Callable[[datetime], list[PlanState]]:
        """At an instant the job queues what is missing, and all that waits is made; the states of the plans queued."""

        def make(now: datetime) -> list[PlanState]:
            world.now = now
            queued = plan_missing(world.state, world.readings, settings, now)
            while (job := world.state.plan_queue.claim("me")) is not None:
                run_plan(world.state, world.readings, job.plan_id, "me", settings=settings, clock=world.clock)
            return [world.state.pickups.get_plan(plan.plan_id).state for plan in queued]

        return make

    def plans(self, world: World) -> list[Plan]:
        return world.state.pickups.page_plans().items

    def test_the_day_s_plan_is_made_once_from_the_planning_hour_on(
        self, world: World, make_missing: Callable[[datetime], list[PlanState]]
    ) -> None:
        """Planning hour 4 in Berlin is 02:00 UTC in May; municipalities without bins are not planned."""
        world.state.municipalities.ensure("lahntal")
        world.bin("a")
        world.level("a", MORNING - timedelta(hours=5), 0.9)
        assert make_missing(datetime(2026, 5, 6, 1, 59, tzinfo=UTC)) == []
        assert make_missing(datetime(2026, 5, 6, 2, 0, tzinfo=UTC)) == [PlanState.DONE]
        assert make_missing(datetime(2026, 5, 6, 2, 0, tzinfo=UTC)) == []
        (plan,) = self.plans(world)
        assert (plan.municipality, plan.date, plan.state, len(plan.routes)) == ("marburg", DAY, PlanState.DONE, 1)

    def test_a_failed_plan_is_tried_again_an_hour_later(
        self, world: World, make_missing: Callable[[datetime], list[PlanState]]
    ) -> None:
        municipality = world.state.municipalities.get("marburg")
        world.state.municipalities.put(replace(municipality, vehicles=()))
        world.bin("a")
        world.level("a", MORNING - timedelta(hours=1), 0.9)
        assert make_missing(MORNING) == [PlanState.FAILED]
        world.state.municipalities.put(municipality)
        assert make_missing(MORNING) == []
        assert make_missing(MORNING + timedelta(hours=1, seconds=1)) == [PlanState.DONE]

    def test_a_plan_that_waits_is_queued_once_however_long_it_waits(self, world: World, settings: Settings) -> None:
        world.bin("a")
        world.level("a", MORNING - timedelta(hours=1), 0.9)
        (queued,) = plan_missing(world.state, world.readings, settings, MORNING)
        assert plan_missing(world.state, world.readings, settings, MORNING + timedelta(hours=15)) == []
        assert self.plans(world) == [queued]

    def test_before_any_level_there_is_nothing_to_plan(
        self, world: World, settings: Settings, make_missing: Callable[[datetime], list[PlanState]]
    ) -> None:
        """A plan that somebody asks for then is made, says so and is not in force."""
        world.bin("a")
        assert plan_missing(world.state, world.readings, settings, MORNING) == []
        world.now = MORNING
        early = plan_day(world.state, world.readings, "marburg", DAY, settings=settings, clock=world.clock)
        assert (early.state, early.levels_known) == (PlanState.DONE, 0)
        assert early.notice == "none of the 1 bins has told its level yet"
        assert world.state.pickups.plan_in_force("marburg", DAY) is None
        assert world.state.pickups.plans_in_force(DAY) == []
        world.level("a", MORNING, 0.9)
        assert make_missing(MORNING + timedelta(minutes=1)) == [PlanState.DONE]
        (in_force,) = world.state.pickups.plans_in_force(DAY)
        assert [stop.device_id for route in in_force.routes for stop in route.stops] == ["a"]

    def test_a_request_is_something_to_plan(
        self, world: World, make_missing: Callable[[datetime], list[PlanState]]
    ) -> None:
        world.bin("a")
        request = PickupRequest(device_id="a", municipality="marburg", requested_at=MORNING, reason="smells")
        world.state.pickups.request(request)
        assert make_missing(MORNING) == [PlanState.DONE]
        (plan,) = world.state.pickups.plans_in_force(DAY)
        assert (plan.levels_known, len(plan.routes)) == (0, 1)

    def test_the_hour_in_which_a_plan_failed_is_an_hour_on_the_night_of_25_october(
        self, world: World, settings: Settings, make_missing: Callable[[datetime], list[PlanState]]
    ) -> None:
        """Berlin has 02:30 twice: at 00:30 and at 01:30 UTC."""
        world.state.municipalities.put(
            replace(
                world.state.municipalities.get("marburg"),
                vehicles=(),
                planning_hour=0,
                collection_days=(1, 2, 3, 4, 5, 6, 7),
            )
        )
        world.bin("a")
        world.level("a", datetime(2026, 10, 24, 20, tzinfo=UTC), 0.9)
        assert make_missing(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) == [PlanState.FAILED]
        assert plan_missing(world.state, world.readings, settings, datetime(2026, 10, 25, 1, 29, tzinfo=UTC)) == []
        assert len(plan_missing(world.state, world.readings, settings, datetime(2026, 10, 25, 1, 30, tzinfo=UTC))) == 1


def test_a_plan_without_a_stop_though_bins_are_due_says_so(world: World) -> None:
    """Three full bins of 240 l, and a vehicle that takes 100 l."""
    place = world.state.municipalities.get("marburg")
    world.state.municipalities.put(replace(place, vehicles=(Vehicle("van", 1, 100.0, 28_800),)))
    for name in ("a", "b", "c"):
        world.bin(name)
        world.level(name, MORNING - timedelta(hours=1), 0.9)
    plan = world.plan("marburg")
    assert (plan.state, plan.routes, sorted(plan.unplanned)) == (PlanState.DONE, (), ["a", "b", "c"])
    assert plan.notice is not None
    assert plan.notice.startswith("no stop is planned though 3 bins are due; 3 of them: its ")


class TestChanged:
    """A plan is made anew when the day has overtaken it and nobody drives yet."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(data_dir=tmp_path, timezone="Europe/Berlin")

    def planned(self, world: World, settings: Settings, *, full: int, at: datetime) -> Plan:
        for number in range(10):
            world.bin(f"b{number}", longitude=8.77 + number / 100)
        for number in range(full):
            world.level(f"b{number}", at - timedelta(hours=1), 0.9)
        world.now = at
        return plan_day(
            world.state, world.readings, "marburg", DAY, settings=settings, clock=world.clock, time_limit_s=0.3
        )

    def test_that_knew_of_one_bin_when_ten_have_told_their_levels(self, world: World, settings: Settings) -> None:
        at = MORNING + timedelta(hours=4)
        plan = self.planned(world, settings, full=1, at=at)
        for number in range(1, 10):
            world.level(f"b{number}", at + timedelta(minutes=1), 0.9)
        assert plan_changed(world.state, world.readings, settings, at + timedelta(minutes=2)) == [], "some may come yet"
        (anew,) = plan_changed(world.state, world.readings, settings, at + timedelta(minutes=6))
        assert (anew.municipality, anew.date, anew.replaces) == ("marburg", DAY, None)
        assert plan_changed(world.state, world.readings, settings, at + timedelta(minutes=7)) == [], "it waits already"
        assert plan.state is PlanState.DONE

    def test_one_for_a_request_alone_is_made_anew_when_a_level_is_known_and_not_before(
        self, world: World, settings: Settings
    ) -> None:
        world.bin("asked")
        request = PickupRequest(device_id="asked", municipality="marburg", requested_at=MORNING, reason="smells")
        world.state.pickups.request(request)
        self.planned(world, settings, full=0, at=MORNING + timedelta(minutes=1))
        later = MORNING + timedelta(hours=1)
        assert plan_changed(world.state, world.readings, settings, later) == []
        world.level("b1", later, 0.9)
        assert len(plan_changed(world.state, world.readings, settings, later + timedelta(minutes=1))) == 1

    @pytest.mark.parametrize(("more", "expected"), [(2, 0), (3, 1)])
    def test_when_many_more_are_due_before_anybody_sets_out(
        self, world: World, settings: Settings, more: int, expected: int
    ) -> None:
        at = MORNING - timedelta(hours=2)
        self.planned(world, settings, full=6, at=at)
        later = at + timedelta(hours=1)
        for number in range(6, 6 + more):
            world.level(f"b{number}", later - timedelta(minutes=1), 0.9)
        assert len(plan_changed(world.state, world.readings, settings, later)) == expected
        on_the_way = MORNING + timedelta(hours=1)
        assert plan_changed(world.state, world.readings, settings, on_the_way) == []

    def test_never_once_a_driver_is_at_it_nor_after_the_shift(self, world: World, settings: Settings) -> None:
        plan = self.planned(world, settings, full=1, at=MORNING)
        for number in range(1, 10):
            world.level(f"b{number}", MORNING, 0.9)
        evening = MORNING + timedelta(hours=13)
        assert plan_changed(world.state, world.readings, settings, evening) == []
        world.state.pickups.stop_skipped(plan.routes[0].stops[0].stop_id, "blocked")
        assert plan_changed(world.state, world.readings, settings, MORNING + timedelta(hours=1)) == []
