"""Puts lamps and bins into a region: rows along streets, bins where people leave waste, shares by population."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from core.device import Device
from core.geo import EARTH_RADIUS_M, great_circle_m
from simulators.randomness import generator
from simulators.region import Region, RegionMunicipality, Street

LAMPS_PER_CIRCUIT: Final = 30
FEWEST_LAMPS: Final = 4
"""A municipality gets a row of at least so many, as long as there are enough lamps."""
SIDE_STREET_LAMPS: Final = 40
_RATED_POWER_W: Final = {"M3": 85, "M4": 72, "M5": 58, "M6": 46, "C3": 72, "C4": 60, "C5": 46, "P2": 42, "P3": 34}
"""LED luminaires usual for a lighting class (assumed); other classes 26 W."""


@dataclass(frozen=True, slots=True)
class PlaceType:
    """A kind of place for bins: German name, share of bins, volume in litres and height in metres of its containers."""

    name: str
    title_de: str
    share: float
    containers: tuple[tuple[int, float], ...]


PLACE_TYPES: Final = (
    PlaceType("park", "Park", 0.22, ((70, 0.75), (120, 0.95))),
    PlaceType("bus_stop", "Bushaltestelle", 0.28, ((50, 0.65), (70, 0.75))),
    PlaceType("market", "Marktplatz", 0.13, ((120, 0.95), (240, 1.05))),
    PlaceType("playground", "Spielplatz", 0.14, ((50, 0.65), (70, 0.75))),
    PlaceType("school", "Schule", 0.1, ((120, 0.95), (240, 1.05))),
    PlaceType("residential", "Wertstoffinsel", 0.13, ((1100, 1.3), (3000, 1.6))),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A street with the lamps that stand in it, in order; `spacing_m` from each to the next."""

    municipality: str
    street: str
    spacing_m: float
    passages_per_day: float
    lamps: tuple[Device, ...]


def shares(total: int, weights: Sequence[int], fewest: int = 0) -> list[int]:
    """Split `total` by weight (largest remainder, Hamilton).

    Each gets `fewest` first; when it is not enough for that, the heaviest do.
    """
    given = [0] * len(weights)
    heaviest_first = sorted(range(len(weights)), key=lambda index: (-weights[index], index))
    for index in heaviest_first:
        given[index] = min(fewest, total)
        total -= given[index]
    exact = [total * weight / sum(weights) for weight in weights]
    for index, quota in enumerate(exact):
        given[index] += math.floor(quota)
    left = total - sum(math.floor(quota) for quota in exact)
    by_remainder = sorted(range(len(weights)), key=lambda index: (math.floor(exact[index]) - exact[index], index))
    for index in by_remainder[:left]:
        given[index] += 1
    return given


def place_lamps(region: Region, count: int) -> list[Row]:
    """`count` lamps in rows: first the pilot street, then rows in all municipalities by population.

    When the streets of a municipality are full, lamps stand in numbered side streets around its centre.
    """
    pilot = region.pilot_street
    home = next(entry for entry in region.municipalities if entry.municipality == pilot.municipality)
    street = next(street for street in home.streets if street.name == pilot.street)
    in_pilot = min(count, capacity(street))
    others = shares(count - in_pilot, [entry.population for entry in region.municipalities], FEWEST_LAMPS)
    rows: list[Row] = []
    for entry, other in zip(region.municipalities, others, strict=True):
        wanted: list[tuple[Street, int]] = []
        if entry is home and in_pilot:
            wanted.append((street, in_pilot))
        left = other
        for candidate in _streets(entry, skip=street if entry is home else None):
            if not left:
                break
            wanted.append((candidate, min(left, capacity(candidate))))
            left -= wanted[-1][1]
        rows += _rows(entry, wanted)
    return rows


def capacity(street: Street) -> int:
    """How many lamps a street has room for at its spacing."""
    length_m = sum(great_circle_m(a[1], a[0], b[1], b[0]) for a, b in pairwise(street.line))
    return int(length_m // street.spacing_m) + 1


def _streets(entry: RegionMunicipality, skip: Street | None) -> Iterator[Street]:
    yield from (street for street in entry.streets if street is not skip)
    number = 0
    while True:
        number += 1
        side = -1 if number % 2 else 1
        east_m, north_m = -600.0, side * (150.0 + 60.0 * (number // 2))
        ends = [
            _moved(entry.latitude, entry.longitude, east_m + x, north_m) for x in (0.0, 30.0 * (SIDE_STREET_LAMPS - 1))
        ]
        line = [(longitude, latitude) for latitude, longitude in ends]
        yield Street(name=f"Nebenstraße {number}", line=line, spacing_m=30.0, passages_per_day=30.0)


def _rows(entry: RegionMunicipality, wanted: Sequence[tuple[Street, int]]) -> list[Row]:
    rows = []
    number = 0
    for street, count in wanted:
        lamps = []
        for order in range(count):
            number += 1
            latitude, longitude = _along(street, order * street.spacing_m)
            lamps.append(
                Device(
                    device_id=f"lamp-{entry.municipality}-{number:04d}",
                    device_type="streetlight",
                    municipality=entry.municipality,
                    name=f"{street.name} {order + 1}",
                    latitude=round(latitude, 6),
                    longitude=round(longitude, 6),
                    street=street.name,
                    attributes={
                        "rated_power_w": _RATED_POWER_W.get(street.lighting_class, 26),
                        "street_order": order + 1,
                        "circuit": f"{entry.municipality}-{(number - 1) // LAMPS_PER_CIRCUIT + 1:03d}",
                        "lighting_class": street.lighting_class,
                        "control": "live",
                    },
                )
            )
        rows.append(Row(entry.municipality, street.name, street.spacing_m, street.passages_per_day, tuple(lamps)))
    return rows


def place_bins(region: Region, count: int, seed: int) -> list[Device]:
    """`count` bins over all municipalities by population, one each first, near streets and around the centre."""
    counts = shares(count, [entry.population for entry in region.municipalities], 1)
    bins: list[Device] = []
    for entry, own in zip(region.municipalities, counts, strict=True):
        rng = generator(seed, "bins", entry.municipality)
        bins += [_bin(entry, number, rng) for number in range(1, own + 1)]
    return bins


def _bin(entry: RegionMunicipality, number: int, rng: np.random.Generator) -> Device:
    place_type = PLACE_TYPES[int(rng.choice(len(PLACE_TYPES), p=[place.share for place in PLACE_TYPES]))]
    street = entry.streets[int(rng.integers(len(entry.streets)))]
    latitude, longitude = _along(street, float(rng.uniform(0, (capacity(street) - 1) * street.spacing_m)))
    away_m = 6.0 if place_type.name == "bus_stop" else float(rng.uniform(15, 180))
    bearing = float(rng.uniform(0, 2 * math.pi))
    latitude, longitude = _moved(latitude, longitude, away_m * math.sin(bearing), away_m * math.cos(bearing))
    volume_l, height_m = place_type.containers[int(rng.integers(len(place_type.containers)))]
    kinds = ("paper", "glass") if place_type.name == "residential" else ("residual",)
    return Device(
        device_id=f"bin-{entry.municipality}-{number:04d}",
        device_type="waste_bin",
        municipality=entry.municipality,
        name=f"{place_type.title_de} {street.name} ({number})",
        latitude=round(latitude, 6),
        longitude=round(longitude, 6),
        street=street.name,
        attributes={
            "height_m": height_m,
            "sensor_offset_m": round(float(rng.uniform(0.03, 0.15)), 2),
            "volume_l": volume_l,
            "place_type": place_type.name,
            "waste_kind": kinds[int(rng.integers(len(kinds)))],
            "sensor": "distance_m" if rng.random() < 0.6 else "filling_level",  # noqa: PLR2004 - most are ultrasonic
        },
    )


def _along(street: Street, distance_m: float) -> tuple[float, float]:
    """The point (latitude, longitude) so many metres from the street's beginning; the end if it is shorter."""
    for here, there in pairwise(street.line):
        length_m = great_circle_m(here[1], here[0], there[1], there[0])
        if distance_m <= length_m:
            part = distance_m / length_m if length_m else 0.0
            return here[1] + part * (there[1] - here[1]), here[0] + part * (there[0] - here[0])
        distance_m -= length_m
    return street.line[-1][1], street.line[-1][0]


def _moved(latitude: float, longitude: float, east_m: float, north_m: float) -> tuple[float, float]:
    """A point so many metres east and north of another (good for a few kilometres)."""
    return (
        latitude + math.degrees(north_m / EARTH_RADIUS_M),
        longitude + math.degrees(east_m / (EARTH_RADIUS_M * math.cos(math.radians(latitude)))),
    )
