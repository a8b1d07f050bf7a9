"""How high the sun stands over a device (astral, NOAA's solar equations)."""

import math
from datetime import datetime
from functools import lru_cache

from astral import Observer
from astral.sun import elevation


def sun_elevation_deg(latitude: float, longitude: float, at: datetime) -> float:
    """Degrees above the horizon, negative below, refraction included.

    Rounded down to the minute and to a tenth of a degree of position: together less than 0.4 degrees off.
    """
    minute = at.replace(second=0, microsecond=0)
    return _elevation_deg(round(latitude, 1), round(longitude, 1), minute)


@lru_cache(maxsize=4096)
def _elevation_deg(latitude: float, longitude: float, at: datetime) -> float:
    degrees = float(elevation(Observer(latitude, longitude), at))
    return degrees if math.isfinite(degrees) else 0.0
