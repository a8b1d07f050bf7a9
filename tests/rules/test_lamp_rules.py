"""The shipped rules of streetlights: each fault by hand, and the trap beside it that must raise nothing."""

# ruff: noqa: ARG002 - a context for tests answers whatever it is asked

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.alert import AlertState
from core.device import Device, DeviceStatus, Municipality
from core.quantity import Value
from core.reading import Reading
from rules.catalogue import load_rules
from rules.change import AlertChange
from rules.context import LampContext
from rules.engine import RuleEngine

NIGHT = datetime(2026, 11, 20, 20, tzinfo=UTC)
DAY = datetime(2026, 11, 20, 11, tzinfo=UTC)
LAMP = Device(
    device_id="lamp-1",
    device_type="streetlight",
    municipality="marburg",
    name="Markt 1",
    street="Markt",
    latitude=50.81,
    longitude=8.77,
    attributes={"rated_power_w": 40},
)
MARBURG = Municipality(municipality="marburg", name="Marburg")


class Told:
    """A context that says what the test says."""

    def __init__(self, level: float | None = None, *, overridden: bool = False, switchings: int = 0) -> None:
        self.level, self.held, self.switchings = level, overridden, switchings

    def wanted_level(self, device_id: str, at: datetime) -> float | None:
        return self.level

    def overridden(self, device_id: str, at: datetime) -> bool:
        return self.held

    def commanded_switchings(self, device_id: str, since: datetime, until: datetime) -> int:
        return self.switchings


class Street:
    """An engine with a lamp and what fires on it."""

    def __init__(
        self,
        start: datetime = NIGHT,
        lamp: Device = LAMP,
        context: LampContext | None = None,
        override: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        self.engine = RuleEngine(load_rules(), context)
        self.engine.configure({lamp.device_id: lamp}, [MARBURG], {"marburg": override or {}}, start)
        self.start = start
        self.changes: list[AlertChange] = []

    def says(self, minutes: float, **values: Value) -> None:
        at = self.start + timedelta(minutes=minutes)
        self.changes += self.engine.judge(Reading("lamp-1", "streetlight", "marburg", at, at, values), at)

    def every_quarter(self, count: int, begin: float = 0, **values: Value) -> None:
        for number in range(count):
            self.says(begin + 15 * number, **values)

    @property
    def fired(self) -> list[str]:
        return [change.alert.rule for change in self.changes if change.alert.state is AlertState.FIRING]

    @property
    def resolved(self) -> list[str]:
        fired = {change.alert.alert_id for change in self.changes if change.alert.state is AlertState.FIRING}
        ended = [change.alert for change in self.changes if change.alert.state is AlertState.RESOLVED]
        return [alert.rule for alert in ended if alert.alert_id in fired]


def power(level: float, factor: float = 1.0) -> dict[str, Any]:
    """What a 40 W lamp with 5 % driver share takes at a level, times a factor."""
    return {"dim_level": level, "active_power_w": round(40 * (0.05 + 0.95 * level) * factor, 2), "faults": ""}


@pytest.mark.parametrize("level", [0.1, 0.2, 0.5, 1.0])
def test_a_dark_lamp_is_found_at_every_level_in_its_third_report(level: float) -> None:
    street = Street()
    dark: dict[str, Value] = {"dim_level": level, "active_power_w": 0.7, "faults": ""}
    street.says(0, **dark)
    assert street.changes == []
    street.says(15, **dark)
    assert [change.alert.state for change in street.changes] == [AlertState.PENDING]
    street.says(30, **dark)
    assert street.fired == ["lamp_failure"]
    assert street.changes[-1].alert.summary == "Markt 1 should be lit but gives no light"


@pytest.mark.parametrize("level", [0.05, 0.1, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_a_healthy_lamp_within_the_registrys_tolerance_raises_nothing(level: float, factor: float) -> None:
    street = Street()
    street.every_quarter(
        8, voltage_v=231.0, power_factor=0.5 if level < 0.8 else 0.93, temperature_c=40.0, **power(level, factor)
    )
    assert street.changes == []


def test_three_reports_of_one_fade_are_not_three_reports() -> None:
    street = Street()
    for second in range(0, 50, 5):
        street.says(second / 60, dim_level=1.0, active_power_w=0.7)
    street.says(1, **power(1.0))
    assert street.fired == []


def test_the_same_report_again_is_not_another_one() -> None:
    street = Street()
    for minutes in (0, 0, 0, 15, 15, 15):
        street.says(minutes, dim_level=1.0, active_power_w=0.7)
    assert street.fired == []


def test_a_broken_lamp_stays_broken_by_day_and_is_well_when_it_burns_again() -> None:
    street = Street()
    street.every_quarter(3, dim_level=0.2, active_power_w=0.7)
    street.every_quarter(20, begin=45, dim_level=0.0, active_power_w=0.6, faults="")
    street.every_quarter(3, begin=600, dim_level=0.2, active_power_w=0.7)
    assert (street.fired, street.resolved) == (["lamp_failure"], [])
    street.says(700, **power(0.2))
    assert street.resolved == ["lamp_failure"]


def test_what_the_lamp_itself_reports_counts_without_a_meter() -> None:
    street = Street()
    street.every_quarter(3, faults="lamp_failure,relay_failure")
    assert sorted(street.fired) == ["lamp_failure", "reported_fault"]
    street.says(60, faults="", dim_level=0.2)
    assert sorted(street.resolved) == ["lamp_failure", "reported_fault"]


def test_a_lamp_that_stays_off_against_its_command() -> None:
    off: dict[str, Any] = {"dim_level": 0.0, "active_power_w": 0.6, "faults": ""}
    for context, found in ((Told(0.5), ["lamp_failure"]), (Told(0.0), []), (None, [])):
        street = Street(context=context)
        street.every_quarter(4, **off)
        assert street.fired == found


def test_a_day_burner() -> None:
    street = Street(DAY)
    street.says(0, **power(1.0))
    street.says(60, **power(1.0))
    assert street.fired == []
    street.says(120, **power(1.0))
    assert street.fired == ["day_burner"]
    street.says(600, **power(0.2))  # by night it may burn: that tells nothing
    assert street.resolved == []
    street.says(24 * 60, dim_level=0.0, active_power_w=0.6, faults="")
    assert street.resolved == ["day_burner"]


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        (5 * 60 + 25, []),  # 16:25 UTC: dusk, the sun is below the horizon
        (3 * 60 + 45, []),  # 14:45 to 15:45: below the margin
        (60, ["day_burner"]),
    ],
)
def test_dusk_is_no_day(minutes: float, found: list[str]) -> None:
    street = Street(DAY)
    street.every_quarter(5, begin=minutes, **power(1.0))
    assert street.fired == found


def test_light_by_day_that_somebody_asked_for_is_no_day_burner() -> None:
    for context in (Told(overridden=True), Told(0.8)):
        street = Street(DAY, context=context)
        street.every_quarter(8, **power(0.8))
        assert street.fired == []
    passing = Street(DAY)
    for number in range(8):
        passing.says(15 * number - 1, presence=True, presence_count=number)
        passing.says(15 * number, **power(1.0))
    assert passing.fired == []


def test_maintenance_mutes() -> None:
    street = Street(DAY, lamp=replace(LAMP, status=DeviceStatus.MAINTENANCE))
    street.every_quarter(8, **power(1.0), voltage_v=150.0)
    assert street.changes == []


def test_a_lamp_that_goes_into_maintenance_while_pending_does_not_fire() -> None:
    street = Street()
    street.every_quarter(2, dim_level=1.0, active_power_w=0.7)
    lamp = replace(LAMP, status=DeviceStatus.MAINTENANCE)
    street.engine.configure({"lamp-1": lamp}, [MARBURG], {}, NIGHT)
    street.every_quarter(4, begin=30, dim_level=1.0, active_power_w=0.7)
    assert street.fired == []


def test_cycling_counts_what_nobody_asked_for() -> None:
    def switched(street: Street, *, presence: bool = False) -> list[str]:
        for quarter in range(5):
            if presence:
                street.says(15 * quarter - 2, presence=True)
                street.says(15 * quarter - 1, presence=True)
            street.says(15 * quarter, switch_on_count=100 + 2 * quarter)
        return street.fired

    assert switched(Street()) == ["cycling_failure"]
    assert switched(Street(), presence=True) == []
    assert switched(Street(context=Told(switchings=2))) == []


def test_a_counter_that_starts_anew_is_no_cycling() -> None:
    street = Street()
    for quarter, count in enumerate((5000, 0, 5001, 5001)):
        street.says(15 * quarter, switch_on_count=count)
    assert street.fired == ["cycling_failure"]  # 0 to 5001 is believed: only the fall is known to be a restart
    calm = Street()
    for quarter, count in enumerate((5000, 0, 1, 1)):
        calm.says(15 * quarter, switch_on_count=count)
    assert calm.fired == []


def test_cycling_that_pauses_is_one_alert() -> None:
    street = Street()
    for quarter in range(5):
        street.says(15 * quarter, switch_on_count=2 * quarter)
    for quarter in range(5, 12):  # an hour and three quarters of burning
        street.says(15 * quarter, switch_on_count=8)
    for quarter in range(12, 17):
        street.says(15 * quarter, switch_on_count=8 + 2 * (quarter - 12))
    assert (street.fired, street.resolved) == (["cycling_failure"], [])
    for quarter in range(17, 40):
        street.says(15 * quarter, switch_on_count=16)
    assert street.resolved == ["cycling_failure"]


def test_a_lamp_that_burns_full_while_it_says_a_fifth() -> None:
    street = Street()
    street.every_quarter(3, dim_level=0.2, active_power_w=40.0)
    assert street.fired == ["dimming_failure"]


def test_a_lamp_that_shows_another_level_than_told() -> None:
    for told, found in ((1.0, ["dimming_failure"]), (0.25, []), (None, [])):
        street = Street(context=Told(told))
        street.every_quarter(3, **power(0.2))
        assert street.fired == found


@pytest.mark.parametrize("level", [0.2, 0.5, 1.0])
def test_power_is_judged_by_the_level(level: float) -> None:
    high, low = Street(), Street()
    high.every_quarter(3, **power(level, 1.5))
    low.every_quarter(3, **power(level, 0.6))
    assert high.fired == ["power_too_high"]
    assert low.fired == ["power_too_low"]


def test_a_small_lamp_at_a_low_level_is_not_too_high_by_a_watt() -> None:
    small = replace(LAMP, attributes={"rated_power_w": 12})
    street = Street(lamp=small)
    street.every_quarter(4, dim_level=0.1, active_power_w=12 * 0.145 + 1.5, faults="")
    assert street.fired == []


def test_the_power_factor_is_judged_at_high_level_only() -> None:
    dimmed, bright, dark = Street(), Street(), Street()
    dimmed.every_quarter(4, power_factor=0.5, **power(0.3))
    bright.every_quarter(4, power_factor=0.7, **power(1.0))
    dark.every_quarter(2, power_factor=0.3, dim_level=1.0, active_power_w=0.7)
    assert (dimmed.fired, bright.fired, dark.fired) == ([], ["power_factor_too_low"], [])


def test_voltage_and_temperature_with_hysteresis() -> None:
    street = Street()
    street.every_quarter(3, voltage_v=190.0)
    street.every_quarter(3, begin=45, voltage_v=203.0)
    assert (street.fired, street.resolved) == (["voltage_too_low"], [])
    street.says(90, voltage_v=206.0)
    assert street.resolved == ["voltage_too_low"]
    hot = Street()
    hot.every_quarter(2, temperature_c=72.0)
    hot.says(30, temperature_c=86.0)
    hot.says(45, temperature_c=63.0)
    assert (hot.fired, hot.resolved) == (["high_temperature", "critical_temperature"], ["critical_temperature"])
    hot.says(60, temperature_c=58.0)
    assert hot.resolved == ["critical_temperature", "high_temperature"]


def test_one_sag_is_no_low_voltage_and_nobody_hears_of_it() -> None:
    street = Street()
    for minutes, volt in ((0, 230.0), (15, 180.0), (30, 229.0), (45, 185.0), (60, 231.0)):
        street.says(minutes, voltage_v=volt)
    assert street.changes == []


def test_a_municipality_changes_how_often_and_how_long() -> None:
    street = Street(override={"lamp_failure": {"parameters": {"for_reports": 1, "for_s": 0, "dark_below": 0.05}}})
    street.says(0, dim_level=1.0, active_power_w=0.7)
    assert street.fired == ["lamp_failure"]


def test_a_rule_that_is_disabled_lets_its_alerts_go() -> None:
    street = Street()
    street.every_quarter(3, dim_level=0.2, active_power_w=0.7)
    off = {"marburg": {"lamp_failure": {"enabled": False}}}
    changes = street.engine.configure({"lamp-1": LAMP}, [MARBURG], off, NIGHT + timedelta(hours=1))
    assert [(change.alert.rule, change.alert.state) for change in changes] == [("lamp_failure", AlertState.RESOLVED)]
    street.every_quarter(4, begin=60, dim_level=0.2, active_power_w=0.7)
    assert street.fired == ["lamp_failure"]
