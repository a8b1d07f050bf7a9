from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.command import Reason
from core.device import Device
from lights.presence import HOLD_MARGIN_S, PresenceControl, PresenceProfile, WantedLevel
from lights.street import lamp_rows, neighbours

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
PROFILE = PresenceProfile(presence_level=1.0, standby_level=0.2, hold_s=60, fade_s=1)
ROW = {"a": ("b", "c"), "b": ("c", "a", "d"), "c": ("d", "b", "a"), "d": ("c", "b"), "alone": ()}


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def control(overridden: dict[str, datetime | None] | None = None) -> PresenceControl:
    lights = PresenceControl(PROFILE)
    lights.configure(ROW, overridden or {})
    return lights


def levels(wanted: list[WantedLevel]) -> dict[str, float]:
    return {level.device_id: level.dim_level for level in wanted}


def test_presence_raises_the_lamp_and_its_neighbours() -> None:
    wanted = control().detected("a", NOW)
    assert levels(wanted) == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert wanted[0].device_id == "a"
    assert {level.reason for level in wanted} == {Reason.PRESENCE}
    assert {level.hold_s for level in wanted} == {60 + HOLD_MARGIN_S}


def test_after_the_hold_time_they_are_lowered_once() -> None:
    lights = control()
    lights.detected("a", NOW)
    assert lights.ended(at(59.9)) == []
    lowered = lights.ended(at(60))
    assert levels(lowered) == {"a": 0.2, "b": 0.2, "c": 0.2}
    assert {level.hold_s for level in lowered} == {HOLD_MARGIN_S}
    assert lights.ended(at(61)) == []
    assert lights.lamps_up() == 0


def test_presence_again_extends_the_hold() -> None:
    lights = control()
    lights.detected("alone", NOW)
    lights.detected("alone", at(50))
    assert lights.ended(at(109)) == []
    assert levels(lights.ended(at(110))) == {"alone": 0.2}


def test_lamps_are_lowered_some_at_a_time_and_each_once() -> None:
    lights = control()
    lights.detected("a", NOW)
    first, second, third = (levels(lights.ended(at(60), 2)) for _ in range(3))
    assert (len(first), len(second), third) == (2, 1, {})
    assert {**first, **second} == {"a": 0.2, "b": 0.2, "c": 0.2}


def test_somebody_who_comes_while_lamps_are_being_lowered_has_light() -> None:
    """The light for them may go out before the lowering that was already decided."""
    lights = control()
    lights.detected("a", NOW)
    lowered = lights.ended(at(60))
    assert lights.raised_meanwhile(lowered) == []
    lights.detected("b", at(60))
    again = lights.raised_meanwhile(lowered)
    assert levels(again) == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert {level.hold_s for level in again} == {60 + HOLD_MARGIN_S}


def test_an_overridden_lamp_is_left_alone_until_the_override_ends() -> None:
    lights = control({"b": at(30), "c": None})
    assert levels(lights.detected("a", NOW)) == {"a": 1.0}
    assert levels(lights.detected("a", at(31))) == {"a": 1.0, "b": 1.0}


def test_a_lamp_that_is_up_is_not_told_so_at_every_step() -> None:
    lights = control()
    assert set(levels(lights.detected("a", NOW))) == {"a", "b", "c"}
    assert set(levels(lights.detected("b", at(2)))) == {"d"}
    assert lights.detected("a", at(4.9)) == []
    assert set(levels(lights.detected("b", at(5.5)))) == {"a", "b", "c"}  # in case it was missed; d was told later
    assert set(levels(lights.detected("a", at(3)))) == {"a", "b", "c"}  # a clock put back holds nobody in the dark


def test_a_lamp_is_told_again_at_once_after_it_was_lowered_or_overridden() -> None:
    lights = PresenceControl(PresenceProfile(presence_level=1.0, standby_level=0.2, hold_s=2, fade_s=1))
    lights.configure(ROW, {})
    lights.detected("alone", NOW)
    assert levels(lights.ended(at(2))) == {"alone": 0.2}
    assert levels(lights.detected("alone", at(2.5))) == {"alone": 1.0}
    lights.configure(ROW, {"alone": at(3)})
    assert levels(lights.detected("alone", at(3.5))) == {"alone": 1.0}


def test_an_override_that_comes_during_a_hold_is_not_lowered() -> None:
    lights = control()
    lights.detected("alone", NOW)
    lights.configure(ROW, {"alone": None})
    assert lights.ended(at(60)) == []


def test_a_lamp_not_ours_is_nothing() -> None:
    assert control().detected("unknown", NOW) == []


@given(st.lists(st.tuples(st.sampled_from(sorted(ROW)), st.integers(0, 600)), max_size=40))
def test_a_lamp_is_up_exactly_while_someone_was_near_within_the_hold_time(events: list[tuple[str, int]]) -> None:
    lights = control()
    up: set[str] = set()
    held_until: dict[str, float] = {}
    for second in range(0, 700, 5):
        up -= {level.device_id for level in lights.ended(at(second))}
        for lamp, when in events:
            if second <= when < second + 5:
                for level in lights.detected(lamp, at(second)):
                    up.add(level.device_id)
                    held_until[level.device_id] = second + (level.hold_s or 0)
        expected = {
            near for lamp, when in events for near in (lamp, *ROW[lamp]) if when // 5 * 5 <= second < when // 5 * 5 + 60
        }
        assert up == expected
        assert all(held_until[lamp] > second for lamp in up)  # by itself, should we say nothing more


def lamp(name: str, order: int | None, latitude: float = 50.8, longitude: float = 8.78) -> Device:
    attributes = {} if order is None else {"street_order": order}
    return Device(
        device_id=name, device_type="streetlight", municipality="marburg", street="Beltershäuser Straße",
        latitude=latitude, longitude=longitude, attributes=attributes,
    )  # fmt: skip


def test_neighbours_are_nearest_first_on_both_sides() -> None:
    row = [lamp(f"l{index}", index, longitude=8.78 + index * 0.0004) for index in (3, 0, 2, 1, 4)]
    near = neighbours(row, 2)
    assert near["l0"] == ("l1", "l2")
    assert near["l2"] == ("l3", "l1", "l4", "l0")
    assert neighbours(row, 0)["l2"] == ()


def test_order_is_computed_from_positions_when_nobody_gave_one() -> None:
    row = [lamp(f"l{index}", None, 50.8 + index * 0.0002, 8.78 + index * 0.0003) for index in (2, 0, 3, 1)]
    ordered = [device.device_id for device in lamp_rows(row)["marburg", "Beltershäuser Straße"]]
    assert ordered in (["l0", "l1", "l2", "l3"], ["l3", "l2", "l1", "l0"])


def test_a_gap_in_the_row_parts_neighbours() -> None:
    row = [lamp("l0", 0), lamp("l1", 1, longitude=8.7804), lamp("far", 2, longitude=8.79)]
    near = neighbours(row, 2)
    assert near["l1"] == ("l0",)
    assert near["far"] == ()


def test_lamps_of_the_same_street_name_in_another_town_are_no_neighbours() -> None:
    here = lamp("l0", 0)
    there = Device(device_id="l1", device_type="streetlight", municipality="kirchhain", street=here.street,
                   latitude=50.8, longitude=8.78, attributes={"street_order": 1})  # fmt: skip
    assert neighbours([here, there], 2) == {"l0": (), "l1": ()}
