"""Values that rules can ask for by name and that no device sends; a new one is a row in the table at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rules.derived_over_time import Rate, SettledLevel, Tracker, Unchanged, UnexplainedSwitchings
from rules.power import power_of
from rules.seen import Seen
from rules.sun import sun_elevation_deg

Compute = Callable[[Seen], float | bool | None]


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


def wanted_level(seen: Seen) -> float | None:
    """What light control asks of the lamp; where that is not known, the level it says it shows."""
    wanted = seen.wanted_level()
    return seen.number("dim_level") if wanted is None else wanted


def command_error(seen: Seen) -> float | None:
    """The level the lamp shows less the one that light control asks of it; None where that is not known."""
    wanted = seen.wanted_level()
    level = None if wanted is None else seen.number("dim_level")
    return None if level is None or wanted is None else level - wanted


def light_explained(seen: Seen) -> bool:
    """Whether an override, light control or a presence in the street asks for light."""
    device, at = seen.device, seen.at
    context = seen.surroundings.context
    return (
        context.overridden(device.device_id, at)
        or (seen.wanted_level() or 0.0) > 0
        or seen.surroundings.presence_near(device, at)
    )


def sun_elevation(seen: Seen) -> float | None:
    """Of the sun over the device, in degrees; None without a position."""
    device = seen.device
    if device.latitude is None or device.longitude is None:
        return None
    return sun_elevation_deg(device.latitude, device.longitude, seen.at)


def tilt_from_upright_deg(seen: Seen) -> float | None:
    """Angle from upright in whichever direction, 0 to 180 degrees."""
    tilt = seen.number("tilt_deg")
    return None if tilt is None else abs((tilt + 180) % 360 - 180)


def _hours_to_full(_of: str, over_s: float) -> Compute:
    rate = Rate("filling_level", over_s)

    def compute(seen: Seen) -> float | None:
        level, per_h = seen.number("filling_level"), rate.value(seen)
        if level is None or per_h is None:
            return None
        return (1.0 - level) / per_h if per_h > 0 else float("inf")

    return compute


def _alert_age_s(of: str, _over_s: float) -> Compute:
    def compute(seen: Seen) -> float:
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
