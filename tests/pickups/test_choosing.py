"""Which bins must be emptied, which may, what they hold, and when they may be emptied."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from core.device import Device, DeviceStatus, Municipality, Place, Vehicle
from core.errors import InvalidInputError
from core.pickup import DueReason, Forecast
from pickups.catalogue import density_kg_per_l, service_s, waste_kind
from pickups.choosing import Choice, Chosen, Known, choose
from pickups.collection_days import is_collected, next_collection
from pickups.due import Level
from pickups.hours import collection_windows
from pickups.routes.fleet import fleets, share_out
from pickups.routes.problem import LeftOut, Window

NOW = datetime(2026, 5, 6, 4, tzinfo=UTC)
BIN = Device(
    device_id="a",
    device_type="waste_bin",
    municipality="marburg",
    latitude=50.8,
    longitude=8.7,
    attributes={"volume_l": 1000},
)
MARBURG = Municipality(municipality="marburg", name="Marburg", depot=Place("Bauhof", 50.8, 8.76))


def expected(level: float, probability: float | None = None) -> dict[str, Forecast]:
    return {"a": Forecast(at=NOW, filling_level=level, full_at=None, method="test", overflow_probability=probability)}


def chosen(
    level: float | None,
    *,
    today: float | None = None,
    probability: float | None = None,
    requested: bool = False,
    device: Device = BIN,
    municipality: Municipality = MARBURG,
) -> Chosen:
    known = Known(
        levels={} if level is None else {"a": Level(level, NOW)},
        requested={"a"} if requested else set(),
        today={} if today is None else expected(today),
        next_chance={} if today is None else expected(today, probability),
    )
    return choose([device], known, {"marburg": municipality})


def one(found: Chosen) -> Choice:
    (choice,) = found.choices
    assert found.left_out == ()
    return choice


class TestChoosing:
    @pytest.mark.parametrize(
        ("level", "today", "probability", "requested", "reasons"),
        [
            pytest.param(0.8, None, None, False, ("above_threshold",), id="at the threshold"),
            pytest.param(1.0, 1.0, 0.0, False, ("above_threshold",), id="full, whatever is forecast"),
            pytest.param(0.1, 0.1, 0.0, True, ("requested",), id="asked for"),
            pytest.param(None, None, None, True, ("requested",), id="asked for, never measured"),
            pytest.param(0.7, 0.85, None, False, ("forecast",), id="expected, no probability known"),
            pytest.param(0.5, 0.6, 0.99, False, ("forecast",), id="overflows almost surely"),
        ],
    )
    def test_must_be_emptied(
        self,
        level: float | None,
        today: float | None,
        probability: float | None,
        requested: bool,  # noqa: FBT001
        reasons: tuple[str, ...],
    ) -> None:
        choice = one(chosen(level, today=today, probability=probability, requested=requested))
        assert choice.required
        assert tuple(reason.value for reason in choice.reasons) == reasons

    def test_may_be_emptied_at_the_price_of_an_overflow_times_its_probability(self) -> None:
        choice = one(chosen(0.7, today=0.75, probability=0.4))
        assert (choice.required, choice.prize_eur, choice.overflow_probability) == (False, 20.0, 0.4)
        assert choice.reasons == (DueReason.FORECAST,)

    def test_what_does_not_pay_for_the_time_at_the_bin_is_not_offered(self) -> None:
        """150 s at 50 euros an hour are 2.08 euros: 4 % of 50 euros are less, 5 % more."""
        dear = replace(MARBURG, vehicles=(Vehicle("truck", 1, 10_000, 28_800, cost_per_hour=50.0),))
        assert chosen(0.5, today=0.6, probability=0.04, municipality=dear) == Chosen((), ())
        assert one(chosen(0.5, today=0.6, probability=0.05, municipality=dear)).prize_eur == 2.5
        assert one(chosen(0.5, today=0.6, probability=0.001)).prize_eur == pytest.approx(0.05)
        assert chosen(0.5, today=0.6, probability=0.0) == Chosen((), ())

    def test_nobody_stops_at_a_bin_that_is_nearly_empty_unless_it_must_be_emptied(self) -> None:
        assert chosen(0.29, today=0.5, probability=0.5) == Chosen((), ())
        assert not one(chosen(0.3, today=0.5, probability=0.5)).required
        assert one(chosen(0.29, today=0.5, probability=0.99)).required

    def test_a_due_bin_that_can_wait_says_so(self) -> None:
        """By the evening it is over the threshold, but far from full: the due list shows it, the plan tells why not."""
        found = chosen(0.7, today=0.81, probability=0.0)
        assert found.left_out == (LeftOut("a", "can wait: full before the next collection with probability 0"),)

    def test_a_bin_over_the_threshold_that_fills_slowly_can_wait(self) -> None:
        assert not one(chosen(0.95, today=0.97, probability=0.3)).required

    def test_a_municipality_may_insist_on_a_level(self) -> None:
        insisting = replace(MARBURG, required_level=0.9)
        assert one(chosen(0.95, today=0.97, probability=0.3, municipality=insisting)).required
        assert not one(chosen(0.89, today=0.9, probability=0.3, municipality=insisting)).required

    def test_it_holds_what_is_expected_by_the_evening_and_never_more_than_its_volume(self) -> None:
        """1000 l of residual waste at 0.082 kg/l."""
        choice = one(chosen(0.8, today=0.9))
        assert (choice.content_l, choice.weight_kg, choice.volume_l) == (900, 74, 1000.0)
        assert one(chosen(0.8, today=1.4)).content_l == 1000
        assert one(chosen(None, requested=True)).content_l == 1000

    @pytest.mark.parametrize(
        ("device", "reason"),
        [
            (replace(BIN, latitude=None), "no position"),
            (
                replace(BIN, attributes={"collection_hours": "noon"}),
                "collection_hours 'noon' is no list of hours such as 06:00-10:00,14:00-18:00",
            ),
            (
                replace(BIN, attributes={"vehicles": "boat"}),
                "vehicles 'boat' names no vehicle of municipality marburg",
            ),
        ],
    )
    def test_what_cannot_be_planned_says_why(self, device: Device, reason: str) -> None:
        assert chosen(0.9, device=device) == Chosen((), (LeftOut("a", reason),))

    def test_access_is_by_names_of_vehicles(self) -> None:
        bin_ = replace(BIN, attributes={"vehicles": "truck, small truck"})
        assert one(chosen(0.9, device=bin_)).vehicles == {"truck", "small truck"}

    @pytest.mark.parametrize("change", [{"device_type": "streetlight"}, {"status": DeviceStatus.RETIRED}])
    def test_others_are_passed_over(self, change: dict[str, object]) -> None:
        assert chosen(0.9, device=replace(BIN, **change)) == Chosen((), ())  # type: ignore[arg-type]


class TestHours:
    @pytest.mark.parametrize(
        ("attributes", "windows"),
        [
            ({}, ()),
            ({"collection_hours": "06:00-10:00,14:00-18:00"}, ((21_600, 35_900), (50_400, 64_700))),
            ({"collection_hours": "9:00-10:00, 10:00-11:00"}, ((32_400, 39_500),)),
            ({"no_collection_hours": "12:00-14:00"}, ((0, 43_100), (50_400, 86_300))),
            ({"no_collection_hours": "22:00-06:00"}, ((21_600, 79_100),)),
            (
                {"collection_hours": "06:00-10:00", "no_collection_hours": "07:00-08:00"},
                ((21_600, 25_100), (28_800, 35_900)),
            ),
        ],
    )
    def test_emptying_that_takes_100_s_begins_in_time_to_end_within(
        self, attributes: dict[str, str], windows: tuple[tuple[int, int], ...]
    ) -> None:
        assert collection_windows(attributes, 100) == tuple(Window(*each) for each in windows)

    @pytest.mark.parametrize(
        ("attributes", "told"),
        [
            (
                {"collection_hours": "06:00-08:00", "no_collection_hours": "05:00-09:00"},
                "collection_hours '06:00-08:00' and no_collection_hours '05:00-09:00' leave no time",
            ),
            ({"collection_hours": "06:00-06:01"}, "'06:00-06:01' leave no time to empty it, which takes 100 s"),
            ({"collection_hours": "25:00-26:00"}, "25:00-26:00 is no span of a day"),
            ({"no_collection_hours": "06:00-06:00"}, "06:00-06:00 is no span of a day"),
            ({"collection_hours": True}, "collection_hours 'True' is no list of hours"),
        ],
    )
    def test_contradictory_or_unreadable_hours(self, attributes: dict[str, str], told: str) -> None:
        with pytest.raises(InvalidInputError, match=told):
            collection_windows(attributes, 100)


class TestCatalogue:
    @pytest.mark.parametrize(
        ("attributes", "volume_l", "seconds"),
        [
            ({}, 60, 90),
            ({}, 240, 120),
            ({}, 1100, 150),
            ({}, 3000, 300),
            ({"container_kind": "underground"}, 240, 300),
            ({"service_s": 45, "container_kind": "underground"}, 240, 45),
            ({"service_s": -1}, 240, 120),
        ],
    )
    def test_service_time(self, attributes: dict[str, object], volume_l: float, seconds: int) -> None:
        assert service_s(attributes, volume_l) == seconds  # type: ignore[arg-type]

    def test_an_unknown_kind_weighs_as_residual_waste(self) -> None:
        assert waste_kind({}) == "residual"
        assert waste_kind({"waste_kind": "moon dust"}) == "moon dust"
        assert density_kg_per_l("moon dust") == density_kg_per_l("residual") == 0.082
        assert density_kg_per_l("glass") == 0.225


class TestCollectionDays:
    @pytest.mark.parametrize(
        ("day", "following"),
        [
            pytest.param(date(2026, 5, 6), date(2026, 5, 7), id="Wednesday"),
            pytest.param(date(2026, 5, 8), date(2026, 5, 11), id="over the weekend"),
            pytest.param(date(2026, 6, 3), date(2026, 6, 5), id="over Corpus Christi, a holiday in Hesse"),
            pytest.param(date(2026, 12, 31), date(2027, 1, 4), id="over New Year and the weekend"),
        ],
    )
    def test_next_working_day(self, day: date, following: date) -> None:
        assert next_collection(MARBURG, day, "HE") == following

    def test_own_weekdays_and_holidays(self) -> None:
        """In 2026 Christmas Day is a Friday and Boxing Day a Saturday."""
        fridays = replace(MARBURG, collection_days=(5,))
        assert next_collection(fridays, date(2026, 12, 18), "HE") == date(2027, 1, 8)
        daily = replace(MARBURG, collection_days=(1, 2, 3, 4, 5, 6, 7), collects_on_holidays=True)
        assert is_collected(daily, date(2026, 12, 25), "HE")
        assert not is_collected(replace(daily, collects_on_holidays=False), date(2026, 12, 25), "HE")


class TestFleet:
    def fleet(self, *vehicles: Vehicle, paper: float = 3000.0) -> dict[str, list[tuple[str, int]]]:
        loads = {"residual": 9000.0, "glass": 2000.0, "paper": paper}
        shared = share_out(fleets([replace(MARBURG, vehicles=vehicles)]), loads)
        return {kind: [(fleet.vehicle.name, fleet.count) for fleet in given] for kind, given in shared.items()}

    def test_each_kind_gets_one_before_any_gets_a_second_the_largest_load_first(self) -> None:
        assert self.fleet(Vehicle("big", 1, 10_000, 1), Vehicle("small", 3, 5000, 1)) == {
            "residual": [("big", 1), ("small", 1)],
            "paper": [("small", 1)],
            "glass": [("small", 1)],
        }

    def test_a_kind_that_can_wait_gets_what_is_left(self) -> None:
        assert self.fleet(Vehicle("truck", 2, 5000, 1), paper=0.01) == {
            "residual": [("truck", 1)],
            "glass": [("truck", 1)],
        }

    def test_vehicles_of_one_kind_go_to_it(self) -> None:
        assert self.fleet(Vehicle("any", 1, 10_000, 1), Vehicle("crane", 1, 4000, 1, waste_kinds=("glass",))) == {
            "residual": [("any", 1)],
            "glass": [("crane", 1)],
        }

    def test_no_vehicle_for_anybody(self) -> None:
        assert self.fleet() == {}
        assert fleets([replace(MARBURG, depot=None)]) == []
