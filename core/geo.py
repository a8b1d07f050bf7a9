"""Positions on the earth: distances on the sphere, WGS 84 degrees."""

import math
from typing import Final

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean earth radius of the IUGG."""


def great_circle_m(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Distance in metres on the sphere (haversine formula, Sinnott 1984); within 0.6 % of the ellipsoid."""
    phi_a, phi_b = math.radians(latitude_a), math.radians(latitude_b)
    half_phi = (phi_b - phi_a) / 2
    half_lambda = math.radians(longitude_b - longitude_a) / 2
    h = math.sin(half_phi) ** 2 + math.cos(phi_a) * math.cos(phi_b) * math.sin(half_lambda) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(h)))


def to_local_m(
    latitude: float, longitude: float, origin_latitude: float, origin_longitude: float
) -> tuple[float, float]:
    """East and north of an origin in metres (equirectangular; good for a few kilometres)."""
    north = math.radians(latitude - origin_latitude) * EARTH_RADIUS_M
    east = math.radians(longitude - origin_longitude) * EARTH_RADIUS_M * math.cos(math.radians(origin_latitude))
    return east, north
