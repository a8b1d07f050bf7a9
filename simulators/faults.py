"""What can be wrong with a simulated device, and what that does to what it says."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from core.device import Device
from core.quantity import Value
from simulators import bin_faults
from simulators.lamp_faults import MEASURE, Cycling
from simulators.randomness import generator

LATE_CLOCK_S: Final = 1200.0
BROKEN_EVERY: Final = 3
"""Every so many messages one is cut off."""


class FaultKind(StrEnum):
    """A fault given to a simulated device."""

    SILENCE = "silence"
    """It says nothing any more and obeys nothing."""
    STUCK_VALUE = "stuck_value"
    """Its main measurement (a lamp's power, a bin's level) stays what it was."""
    DRIFT = "drift"
    """A measurement (a lamp's temperature, a bin's level) creeps upwards by the hour."""
    DUPLICATES = "duplicates"
    """It sends every message twice."""
    LATE_CLOCK = "late_clock"
    """Its clock is 20 minutes slow."""
    BROKEN_PAYLOAD = "broken_payload"
    """Every third message ends in the middle."""
    DAY_BURNER = "day_burner"
    """The lamp burns at full light by day."""
    BURNT_OUT = "burnt_out"
    """The lamp gives no light and takes almost no power, whatever it is told."""
    CYCLING = "cycling"
    """The lamp goes off and on again and again."""
    NO_DIMMING = "no_dimming"
    """The lamp burns at full light whatever it shows."""
    HIGH_POWER = "high_power"
    """The lamp takes half as much again as it should."""
    LOW_POWER = "low_power"
    """Part of the lamp's LEDs are dark."""
    DARK = "dark"
    """As burnt out, but nothing in the lamp knows it."""
    LOW_POWER_FACTOR = "low_power_factor"
    """The driver's capacitor has aged."""
    UNDERVOLTAGE = "undervoltage"
    """The supply is 42 V too low."""
    OVERVOLTAGE = "overvoltage"
    """The supply is 30 V too high: a lost neutral."""
    OVERHEATING = "overheating"
    """The lit lamp's housing is 60 degrees too hot."""
    FIRE = "fire"
    """The bin burns for three hours."""
    OVERTURNED = "overturned"
    """The bin lies on its side."""
    WEAK_BATTERY = "weak_battery"
    """The bin's battery loses 3 % a day."""


_FOR_ALL: Final = (
    FaultKind.SILENCE,
    FaultKind.STUCK_VALUE,
    FaultKind.DRIFT,
    FaultKind.DUPLICATES,
    FaultKind.LATE_CLOCK,
    FaultKind.BROKEN_PAYLOAD,
)
LAMP_FAULTS: Final = (FaultKind.BURNT_OUT, FaultKind.DAY_BURNER, *_FOR_ALL)
"""What the simulated region has; the faults that show only in a lamp's measurements are for `benchmarks/faults.py`."""
BIN_FAULTS: Final = _FOR_ALL
_STUCK: Final = frozenset({"active_power_w", "filling_level", "distance_m"})
_DRIFT_PER_H: Final = {"streetlight": 0.4, "waste_bin": 0.004}
"""Degrees Celsius an hour for lamps, share of the height an hour for bins."""
_SHARE: Final = {"streetlight": 20, "waste_bin": 12}
"""One of so many devices has a fault."""
_LEAD_H: Final = (12.0, 72.0)
"""When history is written, a fault has been there for so many hours (from, to)."""


@dataclass(slots=True)
class Injection:
    """A fault in a device; nothing is wrong before `since_s` (seconds since 1970)."""

    kind: FaultKind
    lead_s: float
    since_s: float = math.inf
    _frozen: dict[str, Value] = field(default_factory=dict)
    _sent: int = 0
    _cycling: Cycling = field(default_factory=Cycling)

    def has(self, kind: FaultKind, at_s: float) -> bool:
        """Whether this fault shows at an instant."""
        return self.kind is kind and at_s >= self.since_s

    def drift(self, device_type: str, at_s: float) -> float:
        """How far a drifting measurement is off by now; 0 without that fault."""
        if not self.has(FaultKind.DRIFT, at_s):
            return 0.0
        return _DRIFT_PER_H[device_type] * (at_s - self.since_s) / 3600.0

    def alter(self, values: Mapping[str, Value], at_s: float) -> dict[str, Value]:
        """The values as the faulty device measures them: a stuck one stays at the first seen."""
        if self.kind in MEASURE and at_s >= self.since_s:
            return MEASURE[self.kind](values)
        if self.kind in bin_faults.KINDS and at_s >= self.since_s:
            return bin_faults.measure(self.kind, values, at_s - self.since_s)
        if self.has(FaultKind.CYCLING, at_s):
            return self._cycling.measure(values, at_s)
        if not self.has(FaultKind.STUCK_VALUE, at_s):
            return dict(values)
        return {
            name: self._frozen.setdefault(name, value) if name in _STUCK else value for name, value in values.items()
        }

    def clock_s(self, at_s: float) -> float:
        """What the device's own clock says."""
        return at_s - LATE_CLOCK_S if self.has(FaultKind.LATE_CLOCK, at_s) else at_s

    def garble(self, payload: bytes, at_s: float) -> list[bytes]:
        """What goes out in place of a message."""
        if self.has(FaultKind.SILENCE, at_s):
            return []
        if self.has(FaultKind.DUPLICATES, at_s):
            return [payload, payload]
        if self.has(FaultKind.BROKEN_PAYLOAD, at_s):
            self._sent += 1
            if self._sent % BROKEN_EVERY == 0:
                return [payload[: len(payload) // 2]]
        return [payload]


def choose_faults(devices: Sequence[Device], seed: int) -> dict[str, Injection]:
    """Faults for a few devices of one type, kinds in turn; the same seed chooses the same."""
    if not devices:
        return {}
    device_type = devices[0].device_type
    kinds = LAMP_FAULTS if device_type == "streetlight" else BIN_FAULTS
    rng = generator(seed, "faults", device_type)
    chosen = rng.choice(len(devices), size=len(devices) // _SHARE[device_type], replace=False)
    return {
        devices[int(index)].device_id: Injection(kinds[turn % len(kinds)], float(rng.uniform(*_LEAD_H)) * 3600.0)
        for turn, index in enumerate(chosen)
    }
