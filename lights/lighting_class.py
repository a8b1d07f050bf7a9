"""Lighting classes of EN 13201-2 and the level below which a lamp must not be dimmed.

A level is only good with the class that it still reaches: the maintained value of the reduced class over that of the
installed one is the least share of the light. This is arithmetic, no legal advice: DIN 13201-1 chooses the classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.device import Attribute
from devices.streetlight.attributes import LightingClass, at_pedestrian_crossing, is_reduction

FULL: Final = 1.0


@dataclass(frozen=True, slots=True)
class Maintained:
    """What a class asks for at least, over the life of the installation: a mean and, for P, a minimum in one point."""

    mean: float
    unit: str
    minimum: float | None = None


MAINTAINED: Final[Mapping[LightingClass, Maintained]] = {
    LightingClass.M1: Maintained(2.0, "cd/m2"),
    LightingClass.M2: Maintained(1.5, "cd/m2"),
    LightingClass.M3: Maintained(1.0, "cd/m2"),
    LightingClass.M4: Maintained(0.75, "cd/m2"),
    LightingClass.M5: Maintained(0.5, "cd/m2"),
    LightingClass.M6: Maintained(0.3, "cd/m2"),
    LightingClass.C0: Maintained(50.0, "lx"),
    LightingClass.C1: Maintained(30.0, "lx"),
    LightingClass.C2: Maintained(20.0, "lx"),
    LightingClass.C3: Maintained(15.0, "lx"),
    LightingClass.C4: Maintained(10.0, "lx"),
    LightingClass.C5: Maintained(7.5, "lx"),
    LightingClass.P1: Maintained(15.0, "lx", 3.0),
    LightingClass.P2: Maintained(10.0, "lx", 2.0),
    LightingClass.P3: Maintained(7.5, "lx", 1.5),
    LightingClass.P4: Maintained(5.0, "lx", 1.0),
    LightingClass.P5: Maintained(3.0, "lx", 0.6),
    LightingClass.P6: Maintained(2.0, "lx", 0.4),
}
"""EN 13201-2 as given by performanceinlighting.com and lightrechner.pages.dev, which agree; P7 sets no value."""


def minimum_dim_level(attributes: Mapping[str, Attribute]) -> float:
    """The level (0-1) below which a lamp must not be dimmed, from its attributes.

    `minimum_dim_level` itself, else the share of `lighting_class` that `lighting_class_reduced` still asks for, else 0.
    Full light where what is said cannot be understood: the lamp fails safe.
    """
    said = attributes.get("minimum_dim_level")
    if said is not None:
        return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said <= 1 else FULL
    if attributes.get("lighting_class_reduced") is None:
        return 0.0 if attributes.get("lighting_class") in (None, *LightingClass) else FULL
    try:
        installed = LightingClass(str(attributes.get("lighting_class")))
        reduced = LightingClass(str(attributes["lighting_class_reduced"]))
    except ValueError:
        return FULL
    if not is_reduction(installed, reduced):
        return FULL
    return MAINTAINED[reduced].mean / MAINTAINED[installed].mean


def permitted_level(attributes: Mapping[str, Attribute], wanted: float, *, dark: bool = False) -> float:
    """The level (0-1) that a lamp may show where another is wanted: never less than its minimum.

    A lamp at a pedestrian crossing is on at full light or off: crossings are lit by DIN 67523, not by EN 13201, and are
    not dimmed by presence. 0 means off and stays 0, as by day, unless it is `dark` (`ScheduledLevel.lit`): then a lamp
    with a minimum keeps it.
    """
    if wanted <= 0 and not dark:
        return 0.0
    if at_pedestrian_crossing(attributes):
        return FULL
    return min(FULL, max(wanted, minimum_dim_level(attributes)))
