"""Faults of a lamp that show in what it measures; pure."""

from collections.abc import Callable, Mapping
from typing import Final

from core.quantity import Value

CYCLES_PER_H: Final = 8.0
"""A discharge lamp at its end: it burns for some minutes, goes off, cools, and ignites again (assumed)."""
_OFF_EVERY: Final = 3
"""A cycling lamp is dark in every so many reports."""
_OFF_W: Final = 0.6
_DRIVER_SHARE: Final = 0.05
_LONGEST_GAP_H: Final = 2.0


class Cycling:
    """Goes off and on while it should burn; its counter says how often."""

    def __init__(self) -> None:
        self._switched = 0.0
        self._reports = 0
        self._at_s: float | None = None

    def measure(self, values: Mapping[str, Value], at_s: float) -> dict[str, Value]:
        """The values with the switching of the time since the last report."""
        changed = dict(values)
        if float(values.get("dim_level", 0.0)) > 0:
            if self._at_s is not None:
                self._switched += CYCLES_PER_H * min((at_s - self._at_s) / 3600, _LONGEST_GAP_H)
            self._reports += 1
            if self._reports % _OFF_EVERY == 0 and "active_power_w" in values:
                changed["active_power_w"] = _OFF_W
        self._at_s = at_s
        if "switch_on_count" in values:
            changed["switch_on_count"] = int(values["switch_on_count"]) + int(self._switched)
        return changed


def _power(factor: Callable[[float], float]) -> Callable[[Mapping[str, Value]], dict[str, Value]]:
    """Power and current by a factor that depends on the level."""

    def measure(values: Mapping[str, Value]) -> dict[str, Value]:
        level = float(values.get("dim_level", 0.0))
        names = [name for name in ("active_power_w", "current_a") if name in values and level > 0]
        return {**values, **{name: round(float(values[name]) * factor(level), 3) for name in names}}

    return measure


def _set(name: str, change: Callable[[float, float], float]) -> Callable[[Mapping[str, Value]], dict[str, Value]]:
    """One value by its old one and the level."""

    def measure(values: Mapping[str, Value]) -> dict[str, Value]:
        if name not in values:
            return dict(values)
        return {**values, name: round(change(float(values[name]), float(values.get("dim_level", 0.0))), 2)}

    return measure


MEASURE: Final[Mapping[str, Callable[[Mapping[str, Value]], dict[str, Value]]]] = {
    # Full power at every level: the driver does not hear the dimming commands.
    "no_dimming": _power(lambda level: 1 / (_DRIVER_SHARE + (1 - _DRIVER_SHARE) * level)),
    "high_power": _power(lambda _level: 1.5),
    "low_power": _power(lambda _level: 0.6),  # two of five LED strings are dark
    "dark": _power(lambda _level: 0.03),
    "low_power_factor": _set("power_factor", lambda factor, _level: max(0.0, factor - 0.25)),
    "undervoltage": _set("voltage_v", lambda volt, _level: volt - 42),
    "overvoltage": _set("voltage_v", lambda volt, _level: volt + 30),
    "overheating": _set("temperature_c", lambda degrees, level: degrees + 60 * (level > 0)),
}
"""By the name of the fault."""
