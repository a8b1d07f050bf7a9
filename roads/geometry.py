"""Lines on the earth as arrays: lengths, places in space, fewer points. Degrees WGS 84, metres."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.geo import EARTH_RADIUS_M
from core.travel import Position

Floats = npt.NDArray[np.float64]
METRES_IN_DEGREE: Final = EARTH_RADIUS_M * math.pi / 180
"""A degree of latitude is so long, and one of longitude at the equator."""


def great_circles_m(latitudes_a: Floats, longitudes_a: Floats, latitudes_b: Floats, longitudes_b: Floats) -> Floats:
    """As `core.geo.great_circle_m`, for arrays that broadcast."""
    phi_a, phi_b = np.radians(latitudes_a), np.radians(latitudes_b)
    half_lambda = np.radians(longitudes_b - longitudes_a) / 2
    h = np.sin((phi_b - phi_a) / 2) ** 2 + np.cos(phi_a) * np.cos(phi_b) * np.sin(half_lambda) ** 2
    metres: Floats = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(1.0, h)))
    return metres


def in_space(latitudes: Floats, longitudes: Floats) -> Floats:
    """Places on the sphere as x, y, z in metres (n x 3); over a few hundred metres the chord is the way."""
    phi, lam = np.radians(latitudes), np.radians(longitudes)
    return EARTH_RADIUS_M * np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)


def simplified(line: Sequence[Position], tolerance_m: float) -> list[Position]:
    """The line with fewer points, none left out further than the tolerance from it (Douglas and Peucker 1973)."""
    if len(line) < 3:  # noqa: PLR2004  two ends
        return list(line)
    degrees = np.asarray(line, dtype=np.float64)
    north = np.radians(degrees[:, 0]) * EARTH_RADIUS_M
    east = np.radians(degrees[:, 1]) * EARTH_RADIUS_M * np.cos(np.radians(degrees[0, 0]))
    points = np.stack([east, north], axis=1)
    keep = np.zeros(len(points), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first > 1:
            away = _from_segment(points[first + 1 : last], points[first], points[last])
            furthest = int(np.argmax(away))
            if away[furthest] > tolerance_m:
                middle = first + 1 + furthest
                keep[middle] = True
                spans += [(first, middle), (middle, last)]
    return [line[index] for index in np.flatnonzero(keep).tolist()]


def _from_segment(points: Floats, start: Floats, end: Floats) -> Floats:
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    away = points - (start + share[:, None] * along)
    return np.hypot(away[:, 0], away[:, 1])
