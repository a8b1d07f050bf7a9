"""A day planned again from the stores: what drivers did stays, what is newly due comes in; joint plans; cancelling."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from actions.pickups.plan import plan_day, run_plan
from actions.pickups.plan_missing import plan_missing
from actions.pickups.queue_plan import queue_plan, queue_replan
from actions.pickups.report import pickup_report
from core.device import Device, DisposalSite, Municipality, Place, Vehicle
from core.errors import ConflictError
from core.pickup import OutOfService, PauseKind, Plan, PlanState, Route, SkipReason, StopState
from core.reading import Reading
from core.settings import Settings
from pickups.routes.problem import NO_ROOM
from pickups.sheet.exports import plan_csv, plan_gpx
from pickups.sheet.itinerary import time_of_day
from readings.sqlite.store import SqliteReadings
from state.state import State, open_state

DAY = date(2026, 5, 6)
MORNING = datetime(2026, 5, 6, 4, tzinfo=UTC)
"""06:00 in Berlin, when vehicles leave."""
MARBURG = Municipality(
    municipality="marburg",
    name="Marburg",
    depot=Place("Bauhof", 50.80, 8.76),
    disposal_sites=(DisposalSite("Umladestation", 50.84, 8.76),),
)
LAHNTAL = Municipality(
    municipality="lahntal",
    name="Lahntal",
    depot=Place("Bauhof Lahntal", 50.87, 8.68),
    vehicles=(Vehicle("truck", 1, 5000, 28_800),),
)


@dataclass
class World:
    """The stores, and what a test says happened."""

    state: State
    readings: SqliteReadings
    settings: Settings
    now: datetime = MORNING - timedelta(minutes=10)
    """What time it is for planning."""

    def clock(self) -> datetime:
        return self.now

    def bin(self, device_id: str, *, level: float = 0.9, at: datetime = MORNING, **changes: object) -> None:
        device = Device(
            device_id=device_id, device_type="waste_bin", municipality="marburg", latitude=50.81, longitude=8.77
        )
        self.state.devices.add(replace(device, **changes))  # type: ignore[arg-type]
        self.level(device_id, level, at - timedelta(hours=1))

    def level(self, device_id: str, level: float, at: datetime) -> None:
        self.readings.write([Reading(device_id, "waste_bin", "marburg", at, at, {"filling_level": level})])

    def plan_missing(self, now: datetime) -> list[Plan]:
        """The job queues what is missing, and what waits is made."""
        queued = plan_missing(self.state, self.readings, self.settings, now)
        while (job := self.state.plan_queue.claim("me")) is not None:
            run_plan(
                self.state, self.readings, job.plan_id, "me", settings=self.settings, clock=self.clock, time_limit_s=0.3
            )
        return [self.state.pickups.get_plan(plan.plan_id) for plan in queued]

    def plan(self, *municipalities: str, day: date = DAY) -> Plan:
        return plan_day(
            self.state, self.readings, municipalities, day, settings=self.settings, clock=self.clock, time_limit_s=0.3
        )

    def replan(self, plan: Plan, *out: OutOfService) -> Plan:
        queued = queue_replan(self.state, plan.plan_id, self.now, out=out)
        self.state.plan_queue.claim("me")
        made = run_plan(
            self.state, self.readings, queued.plan_id, "me", settings=self.settings, clock=self.clock, time_limit_s=0.3
        )
        assert (made.state, made.error) == (PlanState.DONE, None)
        assert made.replaces == plan.plan_id
        return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = Settings(data_dir=tmp_path, timezone="Europe/Berlin")
    state = open_state(settings.state_url)
    readings = SqliteReadings(str(tmp_path / "readings.db"))
    state.municipalities.put_many([MARBURG, LAHNTAL])
    yield World(state, readings, settings)
    readings.close()
    state.close()


def street(world: World, count: int) -> None:
    for number in range(count):
        world.bin(f"b{number}", longitude=8.77 + number / 100)


def starts(route: Route, state: StopState) -> list[int]:
    """When the stops of a state begin, in seconds of the day."""
    return [route.start_s + stop.arrival_s for stop in route.stops if stop.state is state]


def ids(plan: Plan) -> list[str]:
    return [stop.device_id for route in plan.routes for stop in route.stops]


class TestReplan:
    def test_what_is_done_stays_and_a_bin_newly_due_comes_in(self, world: World) -> None:
        street(world, 4)
        plan = world.plan("marburg")
        (route,) = plan.routes
        for stop in route.stops[:2]:
            world.state.pickups.stop_done(stop.stop_id, MORNING + timedelta(seconds=stop.arrival_s + stop.service_s))
        later = MORNING + timedelta(hours=2)
        world.now = later
        world.bin("new", at=later, longitude=8.775)
        again = world.replan(plan)
        (changed,) = again.routes
        assert [(stop.device_id, stop.state) for stop in changed.stops[:2]] == [
            (stop.device_id, StopState.DONE) for stop in route.stops[:2]
        ]
        assert [stop.done_at for stop in changed.stops[:2]] == [
            MORNING + timedelta(seconds=stop.arrival_s + stop.service_s) for stop in route.stops[:2]
        ]
        rest = [stop.device_id for stop in changed.stops[2:] if stop.device_id != "new"]
        assert rest == [stop.device_id for stop in route.stops[2:]]
        assert [stop.device_id for stop in changed.stops if stop.changed] == ["new"]
        assert world.state.pickups.plan_in_force("marburg", DAY) == again

    def test_a_skipped_bin_is_not_tried_again_and_an_emptied_one_is_dropped(self, world: World) -> None:
        street(world, 3)
        plan = world.plan("marburg")
        skipped = [
            replace(stop, state=StopState.SKIPPED, skip_reason="blocked") if stop.device_id == "b1" else stop
            for stop in plan.routes[0].stops
        ]
        plan = replace(plan, routes=(replace(plan.routes[0], stops=tuple(skipped)),))
        world.state.pickups.save_plan(plan)
        later = MORNING + timedelta(hours=1)
        world.now = later
        world.level("b2", 0.05, later)
        again = world.replan(plan)
        told = {stop.device_id: (stop.state, stop.skip_reason) for route in again.routes for stop in route.stops}
        assert told == {"b0": (StopState.PLANNED, None), "b1": (StopState.SKIPPED, "blocked")}
        assert again.unplanned_reasons == {"b1": "skipped on this day: blocked"}
        once_more = world.replan(again)
        assert (ids(once_more), once_more.unplanned_reasons) == (ids(again), again.unplanned_reasons)

    def test_what_a_driver_reported_stays_in_the_month_s_report(self, world: World) -> None:
        """Skipped before the day is planned again, and on the old plan afterwards."""
        street(world, 4)
        plan = world.plan("marburg")
        first, second, *_ = plan.routes[0].stops
        world.now = MORNING + timedelta(minutes=20)
        world.state.pickups.stop_skipped(first.stop_id, "blocked: car")
        again = world.replan(plan)
        world.state.pickups.stop_skipped(second.stop_id, "broken")
        kept = world.state.pickups.get_plan(again.plan_id)
        told = {stop.device_id: stop.skip_reason for route in kept.routes for stop in route.stops if stop.skip_reason}
        assert told == {first.device_id: "blocked: car", second.device_id: "broken"}
        (line,) = pickup_report(
            world.state, world.readings, "marburg", DAY, DAY, zone=world.settings.zone, now=MORNING + timedelta(days=1)
        )[:1]
        assert line.figures.skipped == {SkipReason.BLOCKED: 1, SkipReason.BROKEN: 1}

    def test_a_vehicle_that_is_out_stays_out(self, world: World) -> None:
        """Of two trucks one broke down; the day is planned once more for another reason."""
        world.state.municipalities.put(replace(MARBURG, vehicles=(Vehicle("truck", 2, 420, 28_800),)))
        site = DisposalSite("Umladestation", 50.84, 8.76, unloading_s=14_400)
        place = world.state.municipalities.get("marburg")
        world.state.municipalities.put(replace(place, disposal_sites=(site,)))
        for number in range(6):
            world.bin(f"b{number}", longitude=8.70 + number / 50, attributes={"volume_l": 130})
        plan = world.plan("marburg")
        assert len(plan.routes) == 2
        broken = plan.routes[0]
        world.state.pickups.stop_done(broken.stops[0].stop_id, MORNING + timedelta(minutes=20))
        world.now = MORNING + timedelta(minutes=30)
        again = world.replan(plan, OutOfService(vehicle="truck", route_id=broken.route_id, keeps_load=True))
        world.now = MORNING + timedelta(minutes=40)
        once_more = world.replan(again)
        ended = next(route for route in once_more.routes if route.route_id == broken.route_id)
        assert [stop.state for stop in ended.stops] == [StopState.DONE]
        assert sum(any(stop.state is StopState.PLANNED for stop in route.stops) for route in once_more.routes) == 1

    def test_a_late_vehicle_comes_later_to_the_rest(self, world: World) -> None:
        street(world, 2)
        plan = world.plan("marburg")
        first, second = plan.routes[0].stops
        world.now = MORNING + timedelta(seconds=first.arrival_s + first.service_s + 1800)
        world.state.pickups.stop_done(first.stop_id, world.now)
        again = world.replan(plan)
        assert again.routes[0].stops[1].arrival_s == second.arrival_s + 1800
        assert again.routes[0].duration_s == plan.routes[0].duration_s + 1800

    def test_what_a_vehicle_does_not_get_to_is_for_others(self, world: World) -> None:
        """Its second stop is due half an hour before its shift ends, seven and a half hours late."""
        evening = Vehicle("evening truck", 1, 10_000, 28_800, shift_start_s=12 * 3600, cost_per_day=500.0)
        world.state.municipalities.put(replace(MARBURG, vehicles=(Vehicle("truck", 1, 10_000, 28_800), evening)))
        street(world, 3)
        plan = world.plan("marburg")
        (route,) = plan.routes
        assert route.vehicle == "truck"
        world.state.pickups.stop_done(route.stops[0].stop_id, MORNING + timedelta(hours=7, minutes=55))
        world.now = MORNING + timedelta(hours=8)
        first, second = world.replan(plan).routes
        assert [stop.state for stop in first.stops] == [StopState.DONE]
        assert sorted(stop.device_id for stop in second.stops) == sorted(stop.device_id for stop in route.stops[1:])
        assert all(stop.changed for stop in second.stops)
        assert second.start_s == 14 * 3600

    def test_a_plan_without_depot_of_its_own_keeps_the_assumed_one(self, world: World) -> None:
        world.state.municipalities.put(replace(MARBURG, depot=None))
        street(world, 3)
        plan = world.plan("marburg")
        again = world.replan(plan)
        assert (again.depot_name, again.depot_longitude) == (plan.depot_name, plan.depot_longitude)
        assert sorted(ids(again)) == ["b0", "b1", "b2"]

    def test_the_job_plans_again_at_the_municipality_s_hours(self, world: World) -> None:
        """At 9, because a driver is at it; not before, not twice, and not where nobody drives."""
        world.state.municipalities.put(replace(MARBURG, replanning_hours=(9,)))
        street(world, 2)
        plan = world.plan("marburg")
        assert world.plan_missing(MORNING + timedelta(hours=3)) == []
        world.state.pickups.stop_done(plan.routes[0].stops[0].stop_id, MORNING + timedelta(minutes=10))
        assert world.plan_missing(MORNING + timedelta(hours=2, minutes=59)) == []
        world.now = MORNING + timedelta(hours=3)
        (waiting,) = plan_missing(world.state, world.readings, world.settings, MORNING + timedelta(hours=3))
        assert world.plan_missing(MORNING + timedelta(hours=4)) == [], "it waits already"
        new = world.state.pickups.get_plan(waiting.plan_id)
        assert (new.replaces, new.state) == (plan.plan_id, PlanState.DONE)
        assert world.plan_missing(MORNING + timedelta(hours=5)) == []

    def test_only_the_plan_in_force_can_be_planned_again(self, world: World) -> None:
        street(world, 1)
        old = world.plan("marburg")
        world.now = MORNING + timedelta(minutes=1)
        new = world.plan("marburg")
        with pytest.raises(ConflictError, match=f"not in force any more: plan {new.plan_id} is"):
            queue_replan(world.state, old.plan_id, world.now)
        queued = queue_plan(world.state, "marburg", DAY, world.now)
        with pytest.raises(ConflictError, match="is queued, not done"):
            queue_replan(world.state, queued.plan_id, world.now)


class TestNothingLiesBeforeNow:
    def test_who_has_confirmed_nothing_for_hours_comes_later_to_what_he_has_not_confirmed(self, world: World) -> None:
        """Confirmed at 06:10, then silence: at 08:23 the next stop is no earlier than that."""
        street(world, 4)
        plan = world.plan("marburg")
        first = plan.routes[0].stops[0]
        world.state.pickups.stop_done(first.stop_id, MORNING + timedelta(minutes=10))
        world.now = MORNING + timedelta(hours=2, minutes=23)
        (route,) = world.replan(plan).routes
        assert route.stops[0].state is StopState.DONE
        assert starts(route, StopState.PLANNED)[0] >= 8 * 3600 + 23 * 60

    def test_who_has_not_set_out_sets_out_now(self, world: World) -> None:
        street(world, 3)
        plan = world.plan("marburg")
        world.now = MORNING + timedelta(hours=1)
        (route,) = world.replan(plan).routes
        assert route.start_s == 7 * 3600
        assert len(starts(route, StopState.PLANNED)) == 3

    def test_a_plan_of_today_begins_now_and_ends_with_the_shift(self, world: World) -> None:
        """Thirty bins of which not all can be emptied between 12:58 and 14:00, when the only shift ends."""
        for number in range(30):
            world.bin(f"b{number}", longitude=8.77 + number / 1000)
        world.now = MORNING + timedelta(hours=6, minutes=58)
        plan = world.plan("marburg")
        (route,) = plan.routes
        assert route.start_s >= 12 * 3600 + 58 * 60
        assert route.start_s + route.duration_s <= 14 * 3600
        assert 0 < len(route.stops) < 30
        assert len(plan.unplanned) == 30 - len(route.stops)
        assert plan.notice is None

    def test_a_plan_made_after_the_shift_is_for_another_one_and_says_so(self, world: World) -> None:
        street(world, 3)
        world.now = MORNING + timedelta(hours=9)
        plan = world.plan("marburg")
        assert starts(plan.routes[0], StopState.PLANNED)[0] >= 15 * 3600
        assert plan.notice == "the shift of truck is over: another one is planned from now on"

    def test_tomorrow_and_yesterday_begin_when_the_shift_does(self, world: World) -> None:
        street(world, 3)
        world.now = MORNING + timedelta(hours=9)
        for day in (DAY - timedelta(days=1), DAY + timedelta(days=1)):
            plan = world.plan("marburg", day=day)
            assert [route.start_s for route in plan.routes] in ([21_600], [])
            assert plan.notice in {None, "none of the 3 bins has told its level yet"}


class TestOutOfService:
    @pytest.fixture(autouse=True)
    def _two_trucks(self, world: World) -> None:
        """Two trucks of 500 l, eight bins of 100 l: each has four."""
        site = DisposalSite("Umladestation", 50.84, 8.76, unloading_s=14_400)
        trucks = (Vehicle("truck", 2, 420, 28_800),)
        world.state.municipalities.put(replace(MARBURG, disposal_sites=(site,), vehicles=trucks))
        for number in range(8):
            world.bin(f"b{number}", longitude=8.70 + number / 50, level=0.9, attributes={"volume_l": 100})

    def broken_down(self, world: World) -> tuple[Plan, Route, Route]:
        """Each truck has done its first stop when one can drive no further."""
        plan = world.plan("marburg")
        one, other = plan.routes
        for route in plan.routes:
            stop = route.stops[0]
            at = MORNING + timedelta(seconds=stop.arrival_s + stop.service_s)
            world.state.pickups.stop_done(stop.stop_id, at)
        world.now = MORNING + timedelta(hours=1)
        return world.state.pickups.get_plan(plan.plan_id), one, other

    @pytest.mark.parametrize("keeps_load", [False, True])
    def test_what_it_has_done_stays_and_the_others_take_over(self, world: World, *, keeps_load: bool) -> None:
        plan, one, other = self.broken_down(world)
        out = OutOfService(vehicle="truck", municipality="marburg", route_id=one.route_id, keeps_load=keeps_load)
        again = world.replan(plan, out)
        by_stops = {route.stops[0].device_id: route for route in again.routes}
        ended, going = by_stops[one.stops[0].device_id], by_stops[other.stops[0].device_id]
        assert [(stop.device_id, stop.state) for stop in ended.stops] == [(one.stops[0].device_id, StopState.DONE)]
        assert [pause.kind for pause in ended.pauses] == ([] if keeps_load else [PauseKind.UNLOADING])
        assert ended.duration_s >= ended.stops[0].arrival_s + ended.stops[0].service_s
        assert min(starts(going, StopState.PLANNED)) >= 7 * 3600
        planned = {stop.device_id for stop in going.stops}
        left = {stop.device_id for stop in one.stops[1:]} | {stop.device_id for stop in other.stops[1:]}
        assert planned | set(again.unplanned) >= left
        assert not planned & set(again.unplanned)
        assert again.out == (out,)

    def test_a_vehicle_taken_out_of_the_registry_is_out(self, world: World) -> None:
        plan, *_ = self.broken_down(world)
        place = world.state.municipalities.get("marburg")
        for vehicles in ((replace(place.vehicles[0], count=1),), (Vehicle("other", 1, 420, 28_800),)):
            world.state.municipalities.put(replace(place, vehicles=vehicles))
            again = world.replan(plan)
            assert sum(stop.state is StopState.DONE for route in again.routes for stop in route.stops) == 2
            going = [route for route in again.routes if any(stop.state is StopState.PLANNED for stop in route.stops)]
            assert [route.vehicle for route in going] == [vehicles[0].name]
            plan = again

    def test_a_shift_that_ends_earlier_by_now_keeps_what_was_done_in_it(self, world: World) -> None:
        plan, *_ = self.broken_down(world)
        place = world.state.municipalities.get("marburg")
        world.state.municipalities.put(replace(place, vehicles=(replace(place.vehicles[0], shift_s=600),)))
        again = world.replan(plan)
        assert {stop.state for route in again.routes for stop in route.stops} == {StopState.DONE}
        assert len(again.unplanned) == 6
        assert set(again.unplanned_reasons.values()) == {NO_ROOM}


@pytest.mark.parametrize(
    ("day", "six"),
    [
        (date(2026, 3, 29), datetime(2026, 3, 29, 4, tzinfo=UTC)),
        (date(2026, 10, 25), datetime(2026, 10, 25, 5, tzinfo=UTC)),
    ],
)
class TestClockChange:
    """Sundays of 23 and of 25 hours; `six` is 06:00 in Berlin, five and seven hours after midnight."""

    @pytest.fixture(autouse=True)
    def _morning(self, world: World, six: datetime) -> None:
        world.now = six - timedelta(minutes=10)
        for number in range(2):
            world.bin(f"b{number}", longitude=8.77 + number / 100, at=six)

    @pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=30)])
    def test_a_vehicle_is_as_late_as_it_is(self, world: World, day: date, six: datetime, late: timedelta) -> None:
        plan = world.plan("marburg", day=day)
        (route,) = plan.routes
        first, second = route.stops
        world.now = six + timedelta(seconds=first.arrival_s + first.service_s) + late
        world.state.pickups.stop_done(first.stop_id, world.now)
        (again,) = world.replan(plan).routes
        late_s = round(late.total_seconds())
        assert (route.start_s, again.start_s) == (21_600, 21_600)
        assert again.stops[1].arrival_s == second.arrival_s + late_s
        assert again.duration_s == route.duration_s + late_s

    def test_drivers_read_the_time_that_their_clocks_show(self, world: World, day: date, six: datetime) -> None:
        plan = world.plan("marburg", day=day)
        (route,) = plan.routes
        there = (six + timedelta(seconds=route.stops[1].arrival_s)).astimezone(world.settings.zone)
        for text in (plan_csv(plan), plan_gpx(plan)):
            assert f"{there:%H:%M}" in text
        assert time_of_day(route, 0) == "06:00"

    def test_the_job_plans_again_at_nine(self, world: World, day: date, six: datetime) -> None:
        world.state.municipalities.put(replace(MARBURG, replanning_hours=(9,)))
        plan = world.plan("marburg", day=day)
        world.state.pickups.stop_done(plan.routes[0].stops[0].stop_id, six + timedelta(minutes=10))
        assert world.plan_missing(six + timedelta(hours=2, minutes=59)) == []
        assert [made.replaces for made in world.plan_missing(six + timedelta(hours=3))] == [plan.plan_id]


def test_an_hour_that_comes_twice_is_one_hour_of_replanning(world: World) -> None:
    """On 25 October 2026 Berlin has 02:30 at 00:30 and at 01:30 UTC."""
    world.state.municipalities.put(replace(MARBURG, replanning_hours=(2,)))
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    world.bin("b", at=first)
    world.now = first
    plan = world.plan("marburg", day=first.date())
    world.state.pickups.stop_done(plan.routes[0].stops[0].stop_id, first + timedelta(minutes=10))
    assert world.plan_missing(first + timedelta(hours=1)) == []


class TestJointPlans:
    def test_neighbours_share_vehicles_and_each_finds_its_routes(self, world: World) -> None:
        """Lahntal's bin of 6,000 l is too much for its own vehicle of 5,000 l."""
        world.bin("m")
        world.bin("l", municipality="lahntal", latitude=50.86, longitude=8.69, attributes={"volume_l": 6000})
        plan = world.plan("marburg", "lahntal")
        assert (plan.state, plan.error, plan.unplanned) == (PlanState.DONE, None, ())
        assert plan.municipalities == ("lahntal", "marburg")
        assert sorted(ids(plan)) == ["l", "m"]
        (there,) = plan.routes_for("lahntal")
        assert (there.municipality, [stop.device_id for stop in there.stops]) == ("marburg", ["l"])
        for municipality in ("marburg", "lahntal"):
            assert world.state.pickups.plan_in_force(municipality, DAY) == plan

    def test_two_vehicles_of_one_name_are_told_apart(self, world: World) -> None:
        """Each leaves from its own depot, with what its own can take: 3 x 3,600 l need both."""
        for number in range(3):
            world.bin(f"m{number}", attributes={"volume_l": 4000}, level=0.9)
        site = DisposalSite("Umladestation", 50.84, 8.76, unloading_s=14_400)
        world.state.municipalities.put(replace(MARBURG, disposal_sites=(site,)))
        plan = world.plan("marburg", "lahntal")
        assert {(route.municipality, route.vehicle) for route in plan.routes} == {
            ("marburg", "truck"),
            ("lahntal", "truck"),
        }
        starts = {route.municipality: route.legs[0][0] for route in plan.routes}
        assert starts == {"marburg": (50.80, 8.76), "lahntal": (50.87, 8.68)}

    def test_the_job_plans_neighbours_together(self, world: World) -> None:
        world.state.municipalities.put(replace(MARBURG, planned_with=("lahntal", "gone")))
        world.bin("m")
        world.bin("l", municipality="lahntal", latitude=50.86, longitude=8.69)
        (plan,) = world.plan_missing(MORNING)
        assert world.plan_missing(MORNING) == []
        assert (plan.municipality, plan.municipalities) == ("marburg", ("lahntal", "marburg"))

    def test_the_job_rests_on_days_without_collection(self, world: World) -> None:
        """Ascension Day 2026 is Thursday 14 May."""
        world.bin("m")
        assert world.plan_missing(datetime(2026, 5, 14, 4, tzinfo=UTC)) == []
        assert world.state.pickups.page_plans().items == []


class TestCancel:
    def test_a_plan_cancelled_while_it_is_made_stays_cancelled(self, world: World) -> None:
        street(world, 3)
        queued = queue_plan(world.state, "marburg", DAY, world.now)
        world.state.plan_queue.claim("me")
        told: list[float] = []

        def cancel(share: float) -> None:
            told.append(share)
            world.state.pickups.cancel_plan(queued.plan_id, MORNING)

        made = run_plan(
            world.state,
            world.readings,
            queued.plan_id,
            "me",
            settings=world.settings,
            clock=world.clock,
            time_limit_s=0.3,
            progress=cancel,
        )
        assert (made.state, made.routes, made.finished_at) == (PlanState.CANCELLED, (), MORNING)
        assert told
        with pytest.raises(ConflictError, match="is cancelled, and me is not making it"):
            run_plan(world.state, world.readings, queued.plan_id, "me", settings=world.settings, clock=world.clock)
