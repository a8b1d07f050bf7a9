"""The order of lamps in a street, from an attribute or computed from positions; and who is next to whom."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

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


def adjoining(lamps: Iterable[Device]) -> dict[str, tuple[str, ...]]:
    """For lamps near another street of their municipality the nearest lamp of each such street, nearest first."""
    cells: defaultdict[tuple[str, int, int], list[tuple[Device, str]]] = defaultdict(list)
    origins: dict[str, tuple[float, float]] = {}
    placed: list[tuple[Device, str, tuple[str, int, int]]] = []
    for lamp in lamps:
        if lamp.street and lamp.latitude is not None and lamp.longitude is not None:
            origin = origins.setdefault(lamp.municipality, (lamp.latitude, lamp.longitude))
            east_m, north_m = to_local_m(lamp.latitude, lamp.longitude, *origin)
            cell = lamp.municipality, math.floor(east_m / JUNCTION_M), math.floor(north_m / JUNCTION_M)
            cells[cell].append((lamp, lamp.street))
            placed.append((lamp, lamp.street, cell))
    found: dict[str, tuple[str, ...]] = {}
    for lamp, street, (municipality, east, north) in placed:
        nearest: dict[str, tuple[float, str]] = {}
        for cell in ((municipality, east + i, north + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            for other, its_street in cells.get(cell, ()):
                if its_street != street:
                    here = _distance_m(lamp, other), other.device_id
                    nearest[its_street] = min(here, nearest.get(its_street, here))
        near = sorted(entry for entry in nearest.values() if entry[0] <= JUNCTION_M)
        if near:
            found[lamp.device_id] = tuple(lamp_id for _, lamp_id in near)
    return found


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
    points = np.array(
        [
            to_local_m(lamp.latitude or 0, lamp.longitude or 0, first.latitude or 0, first.longitude or 0)
            for lamp in placed
        ]
    )
    centred = points - points.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ axis
    return [placed[index] for index in np.argsort(along, kind="stable")]


def _distance_m(a: Device, b: Device) -> float:
    if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
        return USUAL_SPACING_M  # ordered by hand and without position: the order is all we know
    return great_circle_m(a.latitude, a.longitude, b.latitude, b.longitude)
