"""Faults of a bin that show in what it measures; pure."""

from collections.abc import Mapping
from typing import Final

from core.quantity import Value

FIRE_S: Final = 3 * 3600.0
"""How long a burning bin is hot (assumed)."""
_FIRE_C: Final = 120.0
_LYING_DEG: Final = 95.0
_WORN_PER_DAY: Final = 0.03


def measure(kind: str, values: Mapping[str, Value], for_s: float) -> dict[str, Value]:
    """The values after the fault has been there for so many seconds; values that the bin does not send stay away."""
    changed = dict(values)
    if kind == "fire" and for_s < FIRE_S:
        if "temperature_c" in values:
            changed["temperature_c"] = round(float(values["temperature_c"]) + _FIRE_C, 1)
        if "fire_detected" in values:
            changed["fire_detected"] = True
    elif kind == "overturned" and "tilt_deg" in values:
        changed["tilt_deg"] = _LYING_DEG
    elif kind == "weak_battery" and "battery_level" in values:
        changed["battery_level"] = round(max(0.0, float(values["battery_level"]) - _WORN_PER_DAY * for_s / 86_400), 4)
    return changed


KINDS: Final = frozenset({"fire", "overturned", "weak_battery"})
"""By the names of the faults."""
