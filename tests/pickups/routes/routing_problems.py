"""Small routing problems for the tests of planner and checker: places on a line, a kilometre and a minute apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.travel import TravelMatrix
from pickups.routes.problem import Candidate, Problem, Site, VehicleKind

HOUR = 3600
DEPOT, TIP = 0, 1


def line(positions_km: Sequence[float], unreachable: dict[int, str] | None = None) -> TravelMatrix:
    """Places along a road: a kilometre takes a minute."""
    at = np.array(positions_km, dtype=float)
    apart = np.abs(np.subtract.outer(at, at))
    return TravelMatrix(
        distances_m=np.rint(apart * 1000).astype(np.int64),
        durations_s=np.rint(apart * 60).astype(np.int64),
        source="line",
        unreachable=unreachable or {},
    )


def bin_at(place: int, **changes: Any) -> Candidate:
    """A required bin of 100 l and 10 kg that takes two minutes."""
    values: dict[str, Any] = {
        "device_id": f"bin-{place}",
        "location": place,
        "volume_l": 100,
        "weight_kg": 10,
        "service_s": 120,
    }
    return Candidate(**(values | changes))


def truck(**changes: Any) -> VehicleKind:
    """One vehicle of 1,000 l, from six to two."""
    values: dict[str, Any] = {
        "name": "truck",
        "count": 1,
        "start": DEPOT,
        "end": DEPOT,
        "capacity_l": 1_000,
        "earliest_s": 6 * HOUR,
        "latest_s": 14 * HOUR,
        "max_duration_s": 8 * HOUR,
    }
    return VehicleKind(**(values | changes))


def problem(
    positions_km: Sequence[float], candidates: Sequence[Candidate], *vehicles: VehicleKind, **changes: Any
) -> Problem:
    """Depot at the first position, a disposal site (ten minutes) at the second, bins at the others."""
    values: dict[str, Any] = {
        "travel": (line(positions_km),),
        "candidates": tuple(candidates),
        "sites": (Site(name="tip", location=TIP, unload_s=600),),
        "vehicles": vehicles or (truck(),),
    }
    return Problem(**(values | changes))
