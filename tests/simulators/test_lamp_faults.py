"""Faults that show in what a lamp measures, and that nothing else changes."""

import pytest

from core.quantity import Value
from simulators.faults import FaultKind, Injection

SINCE_S = 1_000_000.0
HALF: dict[str, Value] = {
    "dim_level": 0.5,
    "active_power_w": 21.0,
    "current_a": 0.1,
    "power_factor": 0.86,
    "voltage_v": 230.0,
    "temperature_c": 20.0,
    "switch_on_count": 7,
    "faults": "",
}


def changed(kind: FaultKind, values: dict[str, Value], at_s: float = SINCE_S) -> dict[str, Value]:
    altered = Injection(kind, 0.0, SINCE_S).alter(values, at_s)
    return {name: value for name, value in altered.items() if value != values[name]}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.NO_DIMMING, {"active_power_w": 40.0, "current_a": 0.19}),
        (FaultKind.HIGH_POWER, {"active_power_w": 31.5, "current_a": 0.15}),
        (FaultKind.LOW_POWER, {"active_power_w": 12.6, "current_a": 0.06}),
        (FaultKind.DARK, {"active_power_w": 0.63, "current_a": 0.003}),
        (FaultKind.LOW_POWER_FACTOR, {"power_factor": 0.61}),
        (FaultKind.UNDERVOLTAGE, {"voltage_v": 188.0}),
        (FaultKind.OVERVOLTAGE, {"voltage_v": 260.0}),
        (FaultKind.OVERHEATING, {"temperature_c": 80.0}),
    ],
)
def test_each_changes_what_it_should(kind: FaultKind, expected: dict[str, float]) -> None:
    assert changed(kind, HALF) == pytest.approx(expected)
    assert changed(kind, HALF, SINCE_S - 1) == {}
    assert Injection(kind, 0.0, SINCE_S).alter({"presence": True}, SINCE_S) == {"presence": True}


@pytest.mark.parametrize("kind", [FaultKind.NO_DIMMING, FaultKind.HIGH_POWER, FaultKind.OVERHEATING])
def test_a_lamp_that_is_off_shows_nothing(kind: FaultKind) -> None:
    assert changed(kind, {**HALF, "dim_level": 0.0, "active_power_w": 0.6}) == {}


def test_cycling_counts_eight_times_an_hour_while_it_is_lit() -> None:
    injection = Injection(FaultKind.CYCLING, 0.0, SINCE_S)
    counts, powers = [], []
    for quarter in range(8):
        lit = quarter < 5
        values = {**HALF, "dim_level": 0.5 if lit else 0.0}
        altered = injection.alter(values, SINCE_S + 900 * quarter)
        counts.append(altered["switch_on_count"])
        powers.append(altered["active_power_w"])
    assert counts == [7, 9, 11, 13, 15, 15, 15, 15]
    assert powers == [21.0, 21.0, 0.6, 21.0, 21.0, 21.0, 21.0, 21.0]
