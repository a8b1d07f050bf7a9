"""What the planner answers: routes without names yet, and which bins had to be left out."""

from dataclasses import dataclass
from typing import Final

from core.device import Municipality, Place
from core.errors import PlanningError
from core.pickup import DueBin
from pickups.distance import Position

SERVICE_S: Final = 120
"""Stop, fetch the container, empty it, put it back, drive on: two minutes."""
UNLOADING_S: Final = 900
"""Weigh, tip and leave at the disposal site: a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """One bin on a route; seconds and metres from the route's start to the arrival there."""

    bin: DueBin
    arrival_s: int
    distance_m: int


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """One trip of one vehicle: depot, stops in order, disposal site, depot. Metres, seconds, litres."""

    vehicle: str
    stops: tuple[PlannedStop, ...]
    distance_m: int
    duration_s: int
    load_l: float


@dataclass(frozen=True, slots=True)
class Unplanned:
    """A due bin that is on no route, and why."""

    device_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Each due bin is on exactly one route or unplanned; `distance_source` says where distances come from."""

    routes: tuple[PlannedRoute, ...]
    unplanned: tuple[Unplanned, ...]
    distance_source: str


def position(bin_: DueBin) -> Position | None:
    """Where a bin stands, if that is known."""
    if bin_.latitude is None or bin_.longitude is None:
        return None
    return bin_.latitude, bin_.longitude


def ends(municipality: Municipality) -> tuple[Place, Place]:
    """Depot and disposal site; without a disposal site of its own the vehicles unload at the depot.

    Raises:
        PlanningError: the municipality has no depot.
    """
    if municipality.depot is None:
        raise PlanningError(
            f"municipality {municipality.municipality} has no depot: its vehicles have no place to start"
        )
    return municipality.depot, next(iter(municipality.disposal_sites), municipality.depot)
