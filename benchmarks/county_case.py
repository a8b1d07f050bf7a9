"""A county of real size for the route planner: clustered places, kinds of vehicle, disposal sites; seeded."""

import numpy as np

from core.travel import TravelMatrix
from pickups.routes.problem import Candidate, Problem, Site, VehicleKind, Window

HOUR = 3600
LARGE_L = 600
FULL = 0.65
ROAD_FACTOR = 1.35
"""Road over straight line: the project's fallback, measured as a rural mean (docs/pickups.md)."""
SPEED_M_S = 11.1
"""40 km/h between places of a county."""


def county(bins: int = 2_000, municipalities: int = 22, seed: int = 1) -> Problem:
    """Bins around the centres of municipalities on 40 x 35 km; 12 vehicles of three sizes, 4 disposal sites.

    A third must be emptied, the others may; a twentieth stands where lorries are not let in, another only before noon
    or after two. Shifts of eight hours with their legal break.
    """
    rng = np.random.default_rng(seed)
    centres = rng.uniform((0, 0), (40_000, 35_000), (municipalities, 2))
    sizes = rng.dirichlet(np.full(municipalities, 4.0))
    home = rng.choice(municipalities, bins, p=sizes)
    places = centres[home] + rng.normal(0, 1_300, (bins, 2))
    sites = centres[rng.choice(municipalities, 4, replace=False)] + rng.normal(0, 2_500, (4, 2))
    depot = np.array([[20_000.0, 17_500.0]])
    travel = matrix(np.vstack([depot, sites, places]))
    level = rng.beta(2.2, 2.0, bins)
    volumes = rng.choice([120, 240, 660, 1_100], bins, p=[0.25, 0.4, 0.2, 0.15])
    small = frozenset({"van", "medium"})
    late = (Window(5 * HOUR, 12 * HOUR), Window(14 * HOUR, 20 * HOUR))
    return Problem(
        travel=(travel,),
        candidates=tuple(
            Candidate(
                device_id=f"bin-{number:04}",
                location=5 + number,
                volume_l=int(volumes[number]),
                weight_kg=int(0.1 * level[number] * volumes[number]) + 1,
                service_s=60 if volumes[number] < LARGE_L else 110,
                required=bool(level[number] > FULL),
                prize=0 if level[number] > FULL else int(4_000 * level[number] ** 2),
                windows=late if number % 20 == 0 else (),
                vehicles=small if number % 20 == 1 else None,
            )
            for number in range(bins)
        ),
        sites=tuple(Site(name=f"site {number}", location=1 + number, unload_s=900) for number in range(4)),
        vehicles=(
            vehicle("van", 4, 9_000, 900, 60_000),
            vehicle("medium", 4, 30_000, 3_000, 100_000),
            vehicle("lorry", 4, 75_000, 9_000, 140_000),
        ),
    )


def vehicle(name: str, count: int, litres: int, kilograms: int, per_day: int) -> VehicleKind:
    """Vehicles from six o'clock for eight hours; in thousandths of a euro, 1 EUR a kilometre and 50 EUR an hour."""
    return VehicleKind(
        name=name,
        count=count,
        start=0,
        end=0,
        capacity_l=litres,
        capacity_kg=kilograms,
        earliest_s=6 * HOUR,
        latest_s=16 * HOUR,
        max_duration_s=8 * HOUR + 1_800,
        fixed_cost=per_day,
        cost_per_m=1,
        cost_per_s=14,
    )


def matrix(points: np.ndarray) -> TravelMatrix:
    """Straight lines times the road factor, in whole metres and seconds."""
    metres = np.rint(ROAD_FACTOR * np.hypot(*(np.subtract.outer(axis, axis) for axis in points.T))).astype(np.int64)
    return TravelMatrix(
        distances_m=metres, durations_s=np.ceil(metres / SPEED_M_S).astype(np.int64), source="great_circle_x1.35"
    )
