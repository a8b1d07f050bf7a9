"""The one catalogue of quantities: what can be observed, in which unit and range. A codec cannot invent another."""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

Value = float | int | bool | str
"""A value as it is kept; `faults` is kept as its names in order, joined by commas ("" = none)."""

MAX_COUNTER: Final = 2**53
"""Counters stay exact as a double (JSON readers, InfluxDB, SQLite alike)."""


class Kind(StrEnum):
    """How values of a quantity are written and kept."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    FAULTS = "faults"


class PowerState(StrEnum):
    """Smart Data Models Streetlight `powerState`."""

    ON = "on"
    OFF = "off"
    LOW = "low"
    BOOTING_UP = "booting_up"


class Fault(StrEnum):
    """Faults a lamp may report, TALQ 2.7 fLampMonitorEvents in snake case (`day_burner`: uCIFI 3416/10)."""

    LAMP_FAILURE = "lamp_failure"
    DAY_BURNER = "day_burner"
    CYCLING_FAILURE = "cycling_failure"
    DIMMING_FAILURE = "dimming_failure"
    RELAY_FAILURE = "relay_failure"
    CONTROL_GEAR_COMM_FAILURE = "control_gear_comm_failure"
    SUPPLY_LOSS = "supply_loss"
    CONTACTOR_ERROR = "contactor_error"
    LEAKAGE_DETECTED = "leakage_detected"
    POWER_TOO_HIGH = "power_too_high"
    POWER_TOO_LOW = "power_too_low"
    CURRENT_TOO_HIGH = "current_too_high"
    CURRENT_TOO_LOW = "current_too_low"
    VOLTAGE_TOO_HIGH = "voltage_too_high"
    VOLTAGE_TOO_LOW = "voltage_too_low"
    POWER_FACTOR_TOO_LOW = "power_factor_too_low"
    HIGH_TEMPERATURE = "high_temperature"
    INVALID_LAMP_TYPE = "invalid_lamp_type"
    COMMUNICATION_FAILURE = "communication_failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One thing that can be observed: its name carries the unit, its range bounds what a device may claim."""

    name: str
    kind: Kind = Kind.NUMBER
    unit: str = "1"
    minimum: float = -math.inf
    maximum: float = math.inf
    counter: bool = False
    choices: tuple[str, ...] = ()
    description: str

    @property
    def numeric(self) -> bool:
        """Whether values can be averaged and summed (booleans count as 0 and 1)."""
        return self.kind in (Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN)

    def accept(self, raw: object) -> Value:
        """Turn a JSON value into the value that is kept.

        Raises:
            ValueError: wrong type, unknown choice or out of range; the text says what was expected.
        """
        match self.kind:
            case Kind.NUMBER:
                return self._in_range(_finite(raw))
            case Kind.INTEGER:
                number = _finite(raw)
                if number != math.floor(number):
                    raise ValueError("expected an integer")
                self._in_range(number)
                return int(raw)  # type: ignore[call-overload, no-any-return]
            case Kind.BOOLEAN:
                if not isinstance(raw, bool):
                    raise ValueError("expected true or false")  # noqa: TRY004 - a value from outside
                return raw
            case Kind.CHOICE:
                if raw not in self.choices:
                    raise ValueError(f"expected one of {', '.join(self.choices)}")
                return str(raw)
            case Kind.FAULTS:
                return _accept_faults(raw)

    def compiled(self) -> Callable[[object], Value]:
        """A function that does what `accept` does, faster: the usual case is decided here, all else by `accept`."""
        accept = self.accept
        low, high = max(self.minimum, -sys.float_info.max), min(self.maximum, sys.float_info.max)  # no NaN, no infinity
        choices = frozenset(self.choices)

        def number(raw: object) -> Value:
            if type(raw) is float and low <= raw <= high:
                return raw
            return accept(raw)

        def integer(raw: object) -> Value:
            if type(raw) is int and low <= raw <= high and -MAX_COUNTER <= raw <= MAX_COUNTER:
                return raw
            return accept(raw)

        def boolean(raw: object) -> Value:
            return raw if raw is True or raw is False else accept(raw)

        def choice(raw: object) -> Value:
            return raw if type(raw) is str and raw in choices else accept(raw)

        fast = {Kind.NUMBER: number, Kind.INTEGER: integer, Kind.BOOLEAN: boolean, Kind.CHOICE: choice}
        return fast.get(self.kind, accept)

    def _in_range(self, number: float) -> float:
        if not self.minimum <= number <= self.maximum:
            raise ValueError(f"{number:g} is outside {self.minimum:g} to {self.maximum:g}")
        return number


def _finite(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError("expected a number")  # noqa: TRY004 - a value from outside, not a programming error
    try:
        number = float(raw)
    except OverflowError as error:
        raise ValueError("number too large") from error
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _accept_faults(raw: object) -> str:
    if not isinstance(raw, list):
        raise ValueError("expected an array of fault names")  # noqa: TRY004 - a value from outside
    for name in raw:
        if not isinstance(name, str) or name not in _FAULT_NAMES:
            raise ValueError(f"unknown fault {ascii(name)[:80]}")
    return ",".join(sorted(set(raw)))


def split_faults(kept: str) -> list[str]:
    """The fault names of a kept `faults` value, in order; none for the empty text."""
    return kept.split(",") if kept else []


_FAULT_NAMES: Final = frozenset(Fault)

_QUANTITIES = (
    # -- streetlight
    Quantity(name="presence", kind=Kind.BOOLEAN, description="somebody is there (TALQ PresenceSensor)"),
    Quantity(
        name="presence_count",
        kind=Kind.INTEGER,
        minimum=0,
        maximum=MAX_COUNTER,
        counter=True,
        description="detections since installation (SDM lifetimeMotionDetected)",
    ),
    Quantity(name="dim_level", minimum=0, maximum=1, description="what the lamp shows now, share of full light"),
    Quantity(
        name="power_state",
        kind=Kind.CHOICE,
        choices=tuple(PowerState),
        description="state of the lamp's supply (SDM powerState)",
    ),
    Quantity(name="active_power_w", unit="W", description="active power"),
    Quantity(name="voltage_v", unit="V", minimum=0, description="supply voltage"),
    Quantity(name="current_a", unit="A", minimum=0, description="supply current"),
    Quantity(name="power_factor", minimum=0, maximum=1, description="power factor"),
    Quantity(
        name="active_energy_kwh",
        unit="kWh",
        minimum=0,
        maximum=MAX_COUNTER,
        counter=True,
        description="active energy since installation",
    ),
    Quantity(
        name="operating_hours_h",
        unit="h",
        minimum=0,
        maximum=MAX_COUNTER,
        counter=True,
        description="hours of light since installation",
    ),
    Quantity(
        name="switch_on_count",
        kind=Kind.INTEGER,
        minimum=0,
        maximum=MAX_COUNTER,
        counter=True,
        description="times switched on since installation",
    ),
    Quantity(name="illuminance_lx", unit="lx", minimum=0, description="ambient light at the lamp"),
    Quantity(name="faults", kind=Kind.FAULTS, description="faults that the lamp itself reports"),
    # -- waste bin
    Quantity(
        name="filling_level", minimum=0, maximum=1, description="how full, share of the height (SDM fillingLevel)"
    ),
    Quantity(name="distance_m", unit="m", minimum=0, description="sensor to contents"),
    Quantity(name="weight_kg", unit="kg", description="weight of the contents"),
    Quantity(name="tilt_deg", unit="deg", minimum=-360, maximum=360, description="angle from upright"),
    Quantity(name="lid_open", kind=Kind.BOOLEAN, description="the lid is open"),
    Quantity(name="fire_detected", kind=Kind.BOOLEAN, description="the sensor sees a fire (TALQ fireDetected)"),
    # -- both
    Quantity(name="temperature_c", unit="degC", minimum=-273.15, description="temperature in the housing"),
    Quantity(name="battery_level", minimum=0, maximum=1, description="charge, share of full"),
    Quantity(name="battery_v", unit="V", minimum=0, description="battery voltage"),
    Quantity(name="rssi_dbm", unit="dBm", description="received signal strength"),
    Quantity(name="snr_db", unit="dB", description="signal to noise ratio"),
)

CATALOGUE: Final[Mapping[str, Quantity]] = MappingProxyType({quantity.name: quantity for quantity in _QUANTITIES})
"""Every quantity by name."""
