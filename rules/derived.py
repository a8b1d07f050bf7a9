"""Values that rules can ask for by name and that no device sends; a new one is a row in the table at the end."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from astral import Observer
from astral.sun import elevation

from rules.derived_over_time import Rate, SettledLevel, Tracker, Unchanged, UnexplainedSwitchings
from rules.judged_reading import JudgedReading
from rules.power import power_of

Compute = Callable[[JudgedReading], float | bool | None]
_PARTS: Final = 10
"""Parts of a degree to which positions are rounded for the sun."""
_STEP_S: Final = 60


@dataclass(frozen=True, slots=True)
class Derived:
    """A named value: how it is made, which quantities a reading must have for it, and what must be given with it."""

    make: Callable[[str, float], Compute]
    """From `of` and `over_s` (empty and 0 where not taken) to the function of a reading."""
    quantities: frozenset[str] = frozenset()
    of: str = ""
    """What `of` names: `quantity`, `rule`, or nothing."""
    over: bool = False
    tracker: Callable[[str, float], Tracker] | None = None
    boolean: bool = False
    device_types: frozenset[str] = frozenset()
    """For which it makes sense; none: all."""


def wanted_level(seen: JudgedReading) -> float | None:
    """What light control asks of the lamp; where that is not known, the level it says it shows."""
    wanted = seen.wanted_level()
    return seen.number("dim_level") if wanted is None else wanted


def command_error(seen: JudgedReading) -> float | None:
    """The level the lamp shows less the one that light control asks of it; None where that is not known."""
    wanted = seen.wanted_level()
    level = None if wanted is None else seen.number("dim_level")
    return None if level is None or wanted is None else level - wanted


def light_explained(seen: JudgedReading) -> bool:
    """Whether an override, light control or a presence in the street asks for light."""
    device, at = seen.device, seen.at
    context = seen.surroundings.context
    return (
        context.overridden(device.device_id, at)
        or (seen.wanted_level() or 0.0) > 0
        or seen.surroundings.presence_near(device, at)
    )


def sun_elevation(seen: JudgedReading) -> float | None:
    """Degrees of the sun above the device's horizon, negative below, refraction included; None without a position.

    Those of the minute's begin and of the middle of a tenth of a degree of position: less than 0.4 degrees off.
    """
    device = seen.device
    if device.latitude is None or device.longitude is None:
        return None
    latitude, longitude = int(device.latitude * _PARTS), int(device.longitude * _PARTS)
    return _sun_elevation_deg(latitude, longitude, int(seen.at.timestamp() // _STEP_S))


@lru_cache(maxsize=4096)
def _sun_elevation_deg(latitude: int, longitude: int, step: int) -> float:
    """By NOAA's solar equations."""
    at = datetime.fromtimestamp(step * _STEP_S, UTC)
    degrees = float(elevation(Observer((latitude + 0.5) / _PARTS, (longitude + 0.5) / _PARTS), at))
    return degrees if math.isfinite(degrees) else 0.0


def tilt_from_upright_deg(seen: JudgedReading) -> float | None:
    """Angle from upright in whichever direction, 0 to 180 degrees."""
    tilt = seen.number("tilt_deg")
    return None if tilt is None else abs((tilt + 180) % 360 - 180)


def _hours_to_full(_of: str, over_s: float) -> Compute:
    rate = Rate("filling_level", over_s)

    def compute(seen: JudgedReading) -> float | None:
        level, per_h = seen.number("filling_level"), rate.value(seen)
        if level is None or per_h is None:
            return None
        return (1.0 - level) / per_h if per_h > 0 else float("inf")

    return compute


def _alert_age_s(of: str, _over_s: float) -> Compute:
    def compute(seen: JudgedReading) -> float:
        finding = seen.memory.findings.get(of)
        return 0.0 if finding is None else (seen.at - finding.alert.started_at).total_seconds()

    return compute


def _plain(compute: Compute) -> Callable[[str, float], Compute]:
    return lambda _of, _over_s: compute


_LEVEL: Final = frozenset({"dim_level"})
_BOTH: Final = frozenset({"dim_level", "active_power_w"})
_LAMP: Final = frozenset({"streetlight"})
_BIN: Final = frozenset({"waste_bin"})

DERIVED: Final[Mapping[str, Derived]] = MappingProxyType(
    {
        "rate_per_h": Derived(lambda of, over_s: Rate(of, over_s).value, of="quantity", over=True, tracker=Rate),
        "settled_level": Derived(
            _plain(SettledLevel().value),
            frozenset({"filling_level"}),
            tracker=lambda _of, _over_s: SettledLevel(),
            device_types=_BIN,
        ),
        "unchanged_s": Derived(
            lambda of, _: Unchanged(of).value, of="quantity", tracker=lambda of, _over_s: Unchanged(of)
        ),
        "alert_age_s": Derived(_alert_age_s, of="rule"),
        "sun_elevation_deg": Derived(_plain(sun_elevation)),
        "expected_power_w": Derived(_plain(lambda seen: power_of(seen).expected_w), _LEVEL, device_types=_LAMP),
        "power_ratio": Derived(_plain(lambda seen: power_of(seen).ratio), _BOTH, device_types=_LAMP),
        "power_difference_w": Derived(_plain(lambda seen: power_of(seen).difference_w), _BOTH, device_types=_LAMP),
        "power_share": Derived(
            _plain(lambda seen: power_of(seen).share), frozenset({"active_power_w"}), device_types=_LAMP
        ),
        "level_error": Derived(_plain(lambda seen: power_of(seen).level_error), _BOTH, device_types=_LAMP),
        "wanted_level": Derived(_plain(wanted_level), _LEVEL, device_types=_LAMP),
        "command_error": Derived(_plain(command_error), _LEVEL, device_types=_LAMP),
        "light_explained": Derived(_plain(light_explained), boolean=True, device_types=_LAMP),
        "unexplained_switchings": Derived(
            lambda _, over_s: UnexplainedSwitchings(over_s).value,
            frozenset({"switch_on_count"}),
            over=True,
            tracker=lambda _of, over_s: UnexplainedSwitchings(over_s),
            device_types=_LAMP,
        ),
        "hours_to_full": Derived(
            _hours_to_full,
            frozenset({"filling_level"}),
            over=True,
            tracker=lambda _of, over_s: Rate("filling_level", over_s),
            device_types=_BIN,
        ),
        "tilt_from_upright_deg": Derived(_plain(tilt_from_upright_deg), frozenset({"tilt_deg"}), device_types=_BIN),
    }
)
"""Every derived value by name."""
