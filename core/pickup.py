"""Pickups: bins that are due, and the plans, routes and stops to empty them."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class DueReason(StrEnum):
    """Why a bin is to be emptied."""

    ABOVE_THRESHOLD = "above_threshold"
    FORECAST = "forecast"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The level (0-1) expected at an instant and when the bin is expected to be full (None: not foreseeable)."""

    at: datetime
    filling_level: float
    full_at: datetime | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueBin:
    """A bin to be emptied, with the reasons; level 0-1 at `observed_at`, volume in litres."""

    device_id: str
    municipality: str
    name: str
    latitude: float | None
    longitude: float | None
    filling_level: float | None
    observed_at: datetime | None
    threshold: float
    reasons: tuple[DueReason, ...]
    forecast: Forecast | None
    volume_l: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PickupRequest:
    """Somebody or a rule asked for a bin to be emptied; closed when it was."""

    device_id: str
    municipality: str
    requested_at: datetime
    reason: str
    closed_at: datetime | None = None


class StopState(StrEnum):
    """What became of a stop."""

    PLANNED = "planned"
    DONE = "done"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One bin on a route; `distance_m` and `arrival_s` count from the route's start."""

    stop_id: str
    sequence: int
    device_id: str
    name: str
    latitude: float
    longitude: float
    filling_level: float | None
    volume_l: float
    reasons: tuple[DueReason, ...]
    arrival_s: int
    distance_m: int
    state: StopState = StopState.PLANNED
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One trip of one vehicle: depot, stops in order, disposal site, depot. Metres, seconds, litres."""

    route_id: str
    vehicle: str
    stops: tuple[Stop, ...]
    distance_m: int
    duration_s: int
    load_l: float


class PlanState(StrEnum):
    """How far a planning job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The routes of one municipality for one day; `progress` 0-1; `distance_source` says where distances come from."""

    plan_id: str
    municipality: str
    date: date
    state: PlanState
    progress: float = 0.0
    error: str | None = None
    created_at: datetime
    finished_at: datetime | None = None
    distance_source: str = "great_circle_x1.35"
    distance_m: int = 0
    duration_s: int = 0
    depot_name: str = ""
    depot_latitude: float | None = None
    depot_longitude: float | None = None
    disposal_name: str = ""
    disposal_latitude: float | None = None
    disposal_longitude: float | None = None
    routes: tuple[Route, ...] = ()
    unplanned: tuple[str, ...] = field(default=())
    """Ids of due bins left out (no position, or more than the vehicles can take), never silently."""
