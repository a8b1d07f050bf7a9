"""Attributes of a streetlight that the platform acts on, and which values they may have."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from core.device import Attribute
from core.errors import InvalidInputError
from core.lighting import LIGHTING_NAME_PATTERN


class LightingClass(StrEnum):
    """Lighting classes of EN 13201-2: M for motor traffic, C for conflict areas, P for pedestrians; 1 is the brightest.

    P7 asks for light of no certain amount.
    """

    M1 = "M1"
    M2 = "M2"
    M3 = "M3"
    M4 = "M4"
    M5 = "M5"
    M6 = "M6"
    C0 = "C0"
    C1 = "C1"
    C2 = "C2"
    C3 = "C3"
    C4 = "C4"
    C5 = "C5"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    P5 = "P5"
    P6 = "P6"
    P7 = "P7"


class Control(StrEnum):
    """How a lamp is driven."""

    LIVE = "live"
    """By `set_light`, at once."""
    PROFILE = "profile"
    """By `set_profile`, a night ahead: lamps on radio that cannot follow a walker (LoRaWAN class A and C)."""


PEDESTRIAN_CROSSING: Final = "pedestrian_crossing"
"""The attribute that is true at a pedestrian crossing, and the value of `location_category` that says the same."""


def control_of(attributes: Mapping[str, Attribute]) -> Control:
    """How a lamp is driven; live where nothing, or nothing known, is said."""
    return Control.PROFILE if attributes.get("control") == Control.PROFILE else Control.LIVE


def at_pedestrian_crossing(attributes: Mapping[str, Attribute]) -> bool:
    """Whether a lamp lights a pedestrian crossing."""
    return attributes.get(PEDESTRIAN_CROSSING) is True or attributes.get("location_category") == PEDESTRIAN_CROSSING


def check_attributes(attributes: Mapping[str, Attribute]) -> None:
    """Refuse values that the platform could not act on; attributes that it does not know are free.

    Raises:
        InvalidInputError: an attribute is wrong; names it and what is expected.
    """
    for name, value in attributes.items():
        expected = _EXPECTED.get(name)
        if value is not None and expected is not None and not expected[0](value):
            raise InvalidInputError(f"attribute {name} {value!r:.80}: expected {expected[1]}")
    installed, reduced = attributes.get("lighting_class"), attributes.get("lighting_class_reduced")
    if reduced is None:
        return
    if not isinstance(installed, str):
        raise InvalidInputError("attribute lighting_class_reduced: lighting_class, which it reduces, is missing")
    if not is_reduction(LightingClass(installed), LightingClass(str(reduced))):
        raise InvalidInputError(
            f"attribute lighting_class_reduced {reduced!r}: expected a class of the same letter that is no brighter "
            f"than {installed}, and not P7, which sets no amount"
        )


def is_reduction(installed: LightingClass, reduced: LightingClass) -> bool:
    """Whether a class may follow from another by dimming; luminance (M) and illuminance (C, P) are not compared."""
    return installed[0] == reduced[0] and installed <= reduced != LightingClass.P7


def _is_class(value: Attribute) -> bool:
    return value in list(LightingClass)


def _is_share(value: Attribute) -> bool:
    return _is_number(value) and 0 <= float(value or 0) <= 1


def _is_power(value: Attribute) -> bool:
    return _is_number(value) and 0 < float(value or 0) <= 10_000  # noqa: PLR2004 - W


def _is_number(value: Attribute) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_profile(value: Attribute) -> bool:
    return isinstance(value, str) and re.fullmatch(LIGHTING_NAME_PATTERN, value, re.ASCII) is not None


_EXPECTED: Final[Mapping[str, tuple[Callable[[Attribute], bool], str]]] = {
    "lighting_class": (_is_class, f"a class of EN 13201-2: {', '.join(LightingClass)}"),
    "lighting_class_reduced": (_is_class, f"a class of EN 13201-2: {', '.join(LightingClass)}"),
    "minimum_dim_level": (_is_share, "a number from 0 to 1"),
    "pedestrian_crossing": (lambda value: isinstance(value, bool), "true or false"),
    "control": (lambda value: value in list(Control), f"one of {', '.join(Control)}"),
    "lighting_profile": (_is_profile, "the name of a lighting profile"),
    "rated_power_w": (_is_power, "watts above 0, at most 10000"),
    "street_order": (_is_number, "a number"),
}
"""What is asked of an attribute, and how it is said."""
