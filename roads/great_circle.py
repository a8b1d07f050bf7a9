"""Ways where no roads are known: great circles times a factor, marked as such."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from core.travel import Position, TravelMatrix, TruckProfile
from roads.geometry import great_circles_m

SOURCE: Final = "great_circle_x1.35"
DETOUR_FACTOR: Final = 1.35
"""Roads are longer than the bird's way: median 1.33 measured on rural roads (Liechtenstein); only a rough mean."""
SPEED_M_PER_S: Final = 30 / 3.6
"""A collection vehicle between stops: 30 km/h, villages and town streets mixed."""


class GreatCircleRoads:
    """Straight lines; every position on earth can be reached."""

    def matrix(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> TravelMatrix:  # noqa: ARG002
        """Distances in whole metres, durations rounded up to whole seconds; the truck makes no difference."""
        places = np.array(positions, dtype=np.float64).reshape(-1, 2)
        bad = np.flatnonzero(~np.isfinite(places).all(axis=1))
        places[bad] = 0.0
        metres = np.rint(
            DETOUR_FACTOR
            * great_circles_m(places[:, 0, None], places[:, 1, None], places[None, :, 0], places[None, :, 1])
        ).astype(np.int64)
        seconds = np.ceil(metres / SPEED_M_PER_S).astype(np.int64)
        unreachable = dict.fromkeys(bad.tolist(), "its position is no latitude and longitude")
        return TravelMatrix(distances_m=metres, durations_s=seconds, source=SOURCE, unreachable=unreachable)

    def legs(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> list[list[Position]]:  # noqa: ARG002
        """A straight line for each leg."""
        return [[start, end] for start, end in pairwise(positions)]

    def check(self, *, fix: bool = False) -> str:  # noqa: ARG002
        """What is used, in one sentence."""
        return f"great circles x {DETOUR_FACTOR}, no streets: set KREISPULS_OSM_PBF or KREISPULS_ROADS_URL"
