"""Where the devices of a municipality are, and which of them stand at odd places: failed geocoding, swapped degrees."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from core.device import Device
from core.geo import great_circle_m

LEAST_REACH_KM: Final = 30.0
"""No device nearer to the middle of the others is odd: no municipality of Hesse is so wide (Marburg: 124 km2)."""
_TIMES_MEDIAN: Final = 10.0
"""Nor one that is less than so many times as far from the middle as half of the devices are. Assumed."""
_MOST_MEASURED: Final = 1_000
_LEAST_DEVICES: Final = 3
"""Of fewer nobody can say which is odd."""

Position = tuple[float, float]
"""Latitude and longitude in degrees WGS 84."""


@dataclass(frozen=True, slots=True)
class Middle:
    """The middle (medians) of the devices of a municipality, and how far from it a device may be."""

    latitude: float
    longitude: float
    reach_km: float

    def distance_km(self, latitude: float, longitude: float) -> float:
        """From the middle."""
        return great_circle_m(self.latitude, self.longitude, latitude, longitude) / 1000

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a position is among the others'."""
        return self.distance_km(latitude, longitude) <= self.reach_km


def middle_of(positions: Iterable[Position]) -> Middle | None:
    """The middle of positions, which a few that are far off do not move; None: there are none."""
    known = list(positions)
    if not known:
        return None
    latitude, longitude = (median(each[axis] for each in known) for axis in (0, 1))
    some = known[:: 1 + len(known) // _MOST_MEASURED]
    usual_m = median(great_circle_m(latitude, longitude, *each) for each in some)
    reach_km = max(LEAST_REACH_KM, _TIMES_MEDIAN * usual_m / 1000)
    return Middle(latitude, longitude, float("inf") if len(known) < _LEAST_DEVICES else reach_km)


def middles(placed: Iterable[tuple[str, float, float]]) -> dict[str, Middle]:
    """The middle of each municipality, of municipalities (slug) with latitude and longitude, one for each device."""
    places: defaultdict[str, list[Position]] = defaultdict(list)
    for municipality, latitude, longitude in placed:
        places[municipality].append((latitude, longitude))
    return {name: middle for name, positions in places.items() if (middle := middle_of(positions)) is not None}


def odd_positions(devices: Iterable[Device]) -> dict[str, str]:
    """Devices (by id) that are far from the others of their municipality, each with a clause that says so."""
    every = list(devices)
    known = middles(
        (device.municipality, device.latitude, device.longitude)
        for device in every
        if device.latitude is not None and device.longitude is not None
    )
    found = {}
    for device in every:
        middle = known.get(device.municipality)
        if middle is None or device.latitude is None or device.longitude is None:
            continue
        if not middle.holds(device.latitude, device.longitude):
            far_km = middle.distance_km(device.latitude, device.longitude)
            reason = (
                f"its position {device.latitude:g}, {device.longitude:g} is {far_km:,.0f} km from the middle of the "
                f"devices of {device.municipality}"
            )
            if abs(device.longitude) <= 90 and middle.holds(device.longitude, device.latitude):  # noqa: PLR2004 - a latitude
                reason += ": latitude and longitude are swapped"
            found[device.device_id] = reason
    return found
