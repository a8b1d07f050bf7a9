"""Ways by road: how far and how long from one position to another, and by which streets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Position = tuple[float, float]
"""Latitude and longitude in degrees WGS 84."""
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TruckProfile:
    """What a road must bear and let through: gross weight in tonnes, height and width in metres; None: not limited."""

    weight_t: float | None = None
    height_m: float | None = None
    width_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TravelMatrix:
    """Ways between n positions, from row to column: whole metres and whole seconds, both n x n with 0 in the diagonal.

    `unreachable` names by index, with the reason, the positions that no road leads to; their rows and columns mean
    nothing. `source` says where the figures come from (`osm`, `osrm`, `valhalla`, `great_circle_x1.35`).
    """

    distances_m: Whole
    durations_s: Whole
    source: str
    unreachable: Mapping[int, str] = field(default_factory=dict)


class Roads(Protocol):
    """An engine that knows ways by road."""

    def matrix(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> TravelMatrix:
        """The ways between all positions for a truck (None: any motor vehicle).

        Raises:
            RoadsError: the engine or its extract does not answer, or cannot be read.
        """
        ...

    def legs(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> list[list[Position]]:
        """The line of each leg from a position to the next, for a map: at least its two ends.

        Raises:
            RoadsError: as above.
        """
        ...
