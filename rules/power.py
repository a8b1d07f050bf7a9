"""Measured and expected power of a lamp."""

from typing import Final, NamedTuple

from rules.judged_reading import JudgedReading

DRIVER_SHARE: Final = 0.05
"""Share of its rated power that a lamp's driver takes at the lowest level: a few percent (assumed; no standard says).

An attribute `standby_share` (below 1) of the lamp is taken instead, where there is one.
"""


class Power(NamedTuple):
    """What a reading says about a lamp's power; None: not known. A tuple: one is made for every report of a lamp."""

    expected_w: float | None = None
    """Rated power times driver share plus the rest by level: LED drivers are linear to a few percent.

    The attribute `standby_power_w` (else 0) is added, all that a lamp takes that is off.
    """
    ratio: float | None = None
    """Measured over expected; None for a lamp that is off."""
    difference_w: float | None = None
    """Measured less expected."""
    share: float | None = None
    """Measured over rated."""
    level_error: float | None = None
    """The level that the measured power stands for, less the level the lamp says it shows."""


_UNKNOWN: Final = Power()


def power_of(seen: JudgedReading) -> Power:
    """What a reading says of power, found out once; all unknown without the attribute `rated_power_w`."""
    found: Power | None = seen.power
    if found is None:
        found = seen.power = _power(seen)
    return found


def _power(seen: JudgedReading) -> Power:
    rated_w = seen.attribute("rated_power_w")
    level, power_w = seen.number("dim_level"), seen.number("active_power_w")
    if rated_w is None:
        return _UNKNOWN
    share = None if power_w is None else power_w / rated_w
    if level is None:
        return Power(share=share)
    driver = seen.attribute("standby_share") or DRIVER_SHARE
    expected_w = seen.attribute("standby_power_w") or 0.0
    if level > 0:
        expected_w += rated_w * (driver + (1 - driver) * level)
    if power_w is None or share is None:
        return Power(expected_w)
    return Power(
        expected_w,
        power_w / expected_w if level > 0 else None,
        power_w - expected_w,
        share,
        (share - driver) / (1 - driver) - level if driver < 1 else None,
    )
