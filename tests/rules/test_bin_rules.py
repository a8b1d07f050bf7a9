"""The shipped rules of waste bins: each fault by hand, and the trap beside it that must raise nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from core.alert import AlertState
from core.device import Device, Municipality
from core.quantity import Value
from core.reading import Reading
from rules.catalogue import load_rules
from rules.change import AlertChange
from rules.engine import RuleEngine

MORNING = datetime(2026, 5, 4, 6, tzinfo=UTC)
BIN = Device(device_id="bin-1", device_type="waste_bin", municipality="marburg", name="Markt")
MARBURG = Municipality(municipality="marburg", name="Marburg")


class Bin:
    """An engine with a bin and what fires on it."""

    def __init__(self) -> None:
        self.engine = RuleEngine(load_rules())
        self.engine.configure({"bin-1": BIN}, [MARBURG], {}, MORNING)
        self.changes: list[AlertChange] = []

    def says(self, hours: float, **values: Value) -> None:
        at = MORNING + timedelta(hours=hours)
        self.changes += self.engine.judge(Reading("bin-1", "waste_bin", "marburg", at, at, values), at)

    def of(self, rule: str) -> list[AlertState]:
        return [change.alert.state for change in self.changes if change.alert.rule == rule]

    @property
    def fired(self) -> list[str]:
        return [change.alert.rule for change in self.changes if change.alert.state is AlertState.FIRING]


def test_overflow_is_seen_coming() -> None:
    """From 30 % on, 5 % an hour: at 75 % there are 5 hours left; that is said in the second such report."""
    made = Bin()
    for hour in range(12):
        made.says(hour, filling_level=0.3 + 0.05 * hour)
        if hour < 10:
            assert made.fired == []
    assert "overflow_soon" in made.fired
    (alert,) = [
        change.alert for change in made.changes if change.alert.rule == "overflow_soon" and change.alert.fired_at
    ]
    assert alert.summary == "Markt overflows in 5 hours if it goes on so"


def test_a_bin_that_fills_slowly_or_stands_still_overflows_not_soon() -> None:
    for per_hour in (0.0, 0.005, -0.005):
        made = Bin()
        for hour in range(48):
            made.says(hour, filling_level=0.6 + per_hour * hour if hour < 36 else 0.6)
        assert "overflow_soon" not in made.fired


def test_one_emptying_ends_it() -> None:
    made = Bin()
    for hour in range(12):
        made.says(hour, filling_level=0.3 + 0.05 * hour)
    for hour in range(12, 30):
        made.says(hour, filling_level=0.02)
    assert made.of("overflow_soon")[-1] is AlertState.RESOLVED
    assert made.of("overflow_soon").count(AlertState.FIRING) == 1


def test_a_night_without_deposits_is_no_second_alert() -> None:
    made = Bin()
    for hour in range(9):
        made.says(hour, filling_level=0.3 + 0.06 * hour)
    for hour in range(9, 12):
        made.says(hour, filling_level=0.78)
    for hour in range(12, 15):
        made.says(hour, filling_level=0.78 + 0.06 * (hour - 12))
    assert made.of("overflow_soon").count(AlertState.FIRING) == 1


def test_full_for_two_days_is_a_late_collection_also_after_a_restart() -> None:
    made = Bin()
    for hour in range(48):
        made.says(hour, filling_level=0.85)
    assert made.fired == ["bin_full"]
    restarted = Bin()
    restarted.engine.restore([made.changes[-1].alert])
    restarted.says(48, filling_level=0.86)
    assert restarted.fired == ["collection_late"]
    restarted.says(50, filling_level=0.05)
    assert [change.alert.state for change in restarted.changes[1:]] == [AlertState.RESOLVED] * 2


@pytest.mark.parametrize(("tilt", "found"), [(-85.0, ["out_of_position"]), (300.0, ["out_of_position"]), (12.0, [])])
def test_a_bin_that_lies_on_its_side(tilt: float, found: list[str]) -> None:
    made = Bin()
    for quarter in range(3):
        made.says(quarter / 4, tilt_deg=tilt)
    assert made.fired == found


def test_being_emptied_is_no_tilt() -> None:
    made = Bin()
    for minute, tilt in ((0, 2.0), (10, 110.0), (11, 120.0), (12, 3.0)):
        made.says(minute / 60, tilt_deg=tilt)
    assert made.fired == []


def test_a_stuck_sensor_says_the_same_to_the_last_digit() -> None:
    stuck, quiet, empty = Bin(), Bin(), Bin()
    for hour in range(80):
        stuck.says(hour, filling_level=0.431)
        quiet.says(hour, filling_level=0.431 + 0.001 * (hour % 3))
        empty.says(hour, filling_level=0.0)
    assert (stuck.fired, quiet.fired, empty.fired) == (["sensor_stuck"], [], [])
    stuck.says(81, filling_level=0.44)
    assert stuck.of("sensor_stuck")[-1] is AlertState.RESOLVED


def test_heat_is_fire_and_summer_is_not() -> None:
    made = Bin()
    made.says(0, temperature_c=58.0)
    assert made.fired == []
    made.says(1, temperature_c=75.0)
    assert made.fired == ["high_temperature"]
