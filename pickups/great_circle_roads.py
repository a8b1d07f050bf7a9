"""Ways where no road is known: great circles times a detour factor, at one speed."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from core.geo import EARTH_RADIUS_M
from core.travel import Position, TravelMatrix, TruckProfile

SOURCE: Final = "great_circle_x1.35"
DETOUR_FACTOR: Final = 1.35
"""Roads are longer than the bird's way: median 1.33 measured on rural roads (docs/pickups.md); only a rough mean."""
SPEED_M_PER_S: Final = 30 / 3.6
"""A collection vehicle between stops: 30 km/h, villages and town streets mixed."""


class GreatCircleRoads:
    """Any place is reachable by any truck."""

    def matrix(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> TravelMatrix:
        """The ways between all positions."""
        del truck
        phi, lam = np.radians(np.array(positions, dtype=float).reshape(-1, 2)).T
        half_phi, half_lam = (phi[:, None] - phi) / 2, (lam[:, None] - lam) / 2
        h = np.sin(half_phi) ** 2 + np.cos(phi)[:, None] * np.cos(phi) * np.sin(half_lam) ** 2
        metres = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, np.sqrt(h))) * DETOUR_FACTOR
        distances = np.rint(metres).astype(np.int64)
        durations = np.ceil(distances / SPEED_M_PER_S).astype(np.int64)
        return TravelMatrix(distances_m=distances, durations_s=durations, source=SOURCE)

    def legs(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> list[list[Position]]:
        """Straight lines."""
        del truck
        return [[start, end] for start, end in pairwise(positions)]
