"""The order of lamps in a street, from an attribute or computed from positions; and who is next to whom."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from core.device import Device
from core.geo import great_circle_m, to_local_m

LARGEST_GAP_M: Final = 150.0
"""Lamps further apart do not light each other: five times the usual spacing of 30 m, a row with two lamps missing."""


USUAL_SPACING_M: Final = 30.0
"""Taken between lamps of which one has no position."""


@dataclass(frozen=True, slots=True)
class StreetRow:
    """Lamps that light each other, in their order; `along_m` is how far along the street from the first each stands."""

    lamps: tuple[str, ...]
    along_m: tuple[float, ...]


def street_rows(lamps: Iterable[Device]) -> list[StreetRow]:
    """The rows that lamps stand in: each street, parted where a gap is too large; one without a street is its own."""
    everything = list(lamps)
    rows = [part for row in lamp_rows(everything).values() for part in _parts(row)]
    placed = {lamp for row in rows for lamp in row.lamps}
    return rows + [StreetRow((lamp.device_id,), (0.0,)) for lamp in everything if lamp.device_id not in placed]


def _parts(row: list[Device]) -> Iterable[StreetRow]:
    part: list[str] = []
    along_m: list[float] = []
    for index, lamp in enumerate(row):
        step_m = 0.0 if index == 0 else _distance_m(row[index - 1], lamp)
        if step_m > LARGEST_GAP_M:
            yield StreetRow(tuple(part), tuple(along_m))
            part, along_m = [], []
        along_m.append(along_m[-1] + step_m if along_m else 0.0)
        part.append(lamp.device_id)
    if part:
        yield StreetRow(tuple(part), tuple(along_m))


JUNCTION_M: Final = 35.0
"""Lamps of different streets so near to each other light the place where these meet: little more than a spacing."""
_ABOUT_M: Final = 1.02 * JUNCTION_M
"""Further apart in the plane two lamps are not so near on the sphere, anywhere in a municipality."""


def adjoining(lamps: Iterable[Device]) -> dict[str, tuple[str, ...]]:
    """For lamps near another street of their municipality the nearest lamp of each such street, nearest first."""
    cells: defaultdict[tuple[str, int, int], dict[str, list[_Placed]]] = defaultdict(dict)
    origins: dict[str, tuple[float, float]] = {}
    for lamp in lamps:
        if lamp.street and lamp.latitude is not None and lamp.longitude is not None:
            origin = origins.setdefault(lamp.municipality, (lamp.latitude, lamp.longitude))
            east_m, north_m = to_local_m(lamp.latitude, lamp.longitude, *origin)
            cell = lamp.municipality, math.floor(east_m / JUNCTION_M), math.floor(north_m / JUNCTION_M)
            cells[cell].setdefault(lamp.street, []).append((lamp, east_m, north_m))
    found: dict[str, tuple[str, ...]] = {}
    for (municipality, east, north), streets in cells.items():
        around = [
            (street, placed)
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            for street, many in cells.get((municipality, east + i, north + j), {}).items()
            for placed in many
        ]
        for street, many in streets.items():
            others = [(name, placed) for name, placed in around if name != street]
            for placed in many if others else ():
                if near := _nearest_of_each(placed, others):
                    found[placed[0].device_id] = near
    return found


_Placed = tuple[Device, float, float]
"""A lamp, and how far east and north of the first of its municipality it stands, in metres."""


def _nearest_of_each(placed: _Placed, others: Iterable[tuple[str, _Placed]]) -> tuple[str, ...]:
    lamp, east_m, north_m = placed
    nearest: dict[str, tuple[float, str]] = {}
    for street, (other, its_east_m, its_north_m) in others:
        if abs(its_east_m - east_m) <= _ABOUT_M and abs(its_north_m - north_m) <= _ABOUT_M:
            here = _distance_m(lamp, other), other.device_id
            nearest[street] = min(here, nearest.get(street, here))
    return tuple(lamp_id for distance_m, lamp_id in sorted(nearest.values()) if distance_m <= JUNCTION_M)


def lamp_rows(lamps: Iterable[Device]) -> dict[tuple[str, str], list[Device]]:
    """The lamps of each (municipality, street) in their order along the street.

    The attribute `street_order` decides where every lamp of the street has it; else the position along the street's
    principal axis (first principal component of the positions). Lamps without street, or without position where it
    is needed, stand alone.
    """
    streets: defaultdict[tuple[str, str], list[Device]] = defaultdict(list)
    for lamp in lamps:
        if lamp.street:
            streets[lamp.municipality, lamp.street].append(lamp)
    return {street: _in_order(row) for street, row in streets.items()}


def _in_order(row: list[Device]) -> list[Device]:
    orders = {lamp.device_id: lamp.attributes.get("street_order") for lamp in row}
    if all(isinstance(order, int | float) and not isinstance(order, bool) for order in orders.values()):
        return sorted(row, key=lambda lamp: (float(orders[lamp.device_id] or 0), lamp.device_id))
    placed = [lamp for lamp in row if lamp.latitude is not None and lamp.longitude is not None]
    if len(placed) < 3:  # noqa: PLR2004 - two lamps are in order either way
        return placed
    first = placed[0]
    points = [
        to_local_m(lamp.latitude or 0, lamp.longitude or 0, first.latitude or 0, first.longitude or 0)
        for lamp in placed
    ]
    east, north = (fmean(values) for values in zip(*points, strict=True))
    centred = [(x - east, y - north) for x, y in points]
    # The axis of largest variance of points in a plane: half the angle of (variance x - variance y, 2 covariance).
    angle = 0.5 * math.atan2(2 * sum(x * y for x, y in centred), sum(x * x - y * y for x, y in centred))
    along = [x * math.cos(angle) + y * math.sin(angle) for x, y in centred]
    return [placed[index] for index in sorted(range(len(placed)), key=along.__getitem__)]


def _distance_m(a: Device, b: Device) -> float:
    if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
        return USUAL_SPACING_M  # ordered by hand and without position: the order is all we know
    return great_circle_m(a.latitude, a.longitude, b.latitude, b.longitude)
