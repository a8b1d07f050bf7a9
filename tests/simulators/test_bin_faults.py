"""Faults that show in what a bin measures, and that nothing else changes."""

import pytest

from core.quantity import Value
from simulators.faults import FaultKind, Injection

SINCE_S = 1_000_000.0
FINE: dict[str, Value] = {
    "filling_level": 0.4,
    "temperature_c": 20.0,
    "tilt_deg": 2.0,
    "fire_detected": False,
    "battery_level": 0.9,
}
DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("kind", "after_s", "expected"),
    [
        (FaultKind.FIRE, 0, {"temperature_c": 140.0, "fire_detected": True}),
        (FaultKind.FIRE, 3 * 3600, {}),
        (FaultKind.OVERTURNED, 7 * DAY_S, {"tilt_deg": 95.0}),
        (FaultKind.WEAK_BATTERY, 10 * DAY_S, {"battery_level": 0.6}),
        (FaultKind.WEAK_BATTERY, 40 * DAY_S, {"battery_level": 0.0}),
        (FaultKind.OVERTURNED, -1, {}),
    ],
)
def test_each_changes_what_it_should(kind: FaultKind, after_s: float, expected: dict[str, Value]) -> None:
    altered = Injection(kind, 0.0, SINCE_S).alter(FINE, SINCE_S + after_s)
    assert {name: value for name, value in altered.items() if value != FINE[name]} == pytest.approx(expected)
    assert Injection(kind, 0.0, SINCE_S).alter({"filling_level": 0.4}, SINCE_S) == {"filling_level": 0.4}
