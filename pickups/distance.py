"""How far and how long the way is: great circles until roads are known, marked as such."""

import math
from collections.abc import Callable
from typing import Final

from core.geo import great_circle_m

Position = tuple[float, float]
"""Latitude and longitude in degrees WGS 84."""
LegM = Callable[[Position, Position], int]
"""The way from one position to another in whole metres."""

SOURCE: Final = "great_circle_x1.35"
DETOUR_FACTOR: Final = 1.35
"""Roads are longer than the bird's way: median 1.33 measured on rural roads (DOMAIN part D); only a rough mean."""
SPEED_M_PER_S: Final = 30 / 3.6
"""A collection vehicle between stops: 30 km/h, villages and town streets mixed."""


def great_circle_leg_m(start: Position, end: Position) -> int:
    """Great-circle distance times the detour factor, in whole metres."""
    return round(great_circle_m(*start, *end) * DETOUR_FACTOR)


def travel_s(distance_m: int) -> int:
    """Whole seconds for so many metres, rounded up."""
    return math.ceil(distance_m / SPEED_M_PER_S)
