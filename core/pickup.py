"""Pickups: bins that are due, and the plans, routes and stops to empty them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum


class DueReason(StrEnum):
    """Why a bin is to be emptied."""

    ABOVE_THRESHOLD = "above_threshold"
    FORECAST = "forecast"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The level (0-1) expected at an instant and when the bin is expected to be full (None: not foreseeable).

    `low` to `high` hold the level, `full_from` to `full_until` the instant it is full, in nine of ten cases;
    `overflow_probability` is that of being full at `at`. None: the method does not say.
    """

    at: datetime
    filling_level: float
    full_at: datetime | None
    method: str
    low: float | None = None
    high: float | None = None
    overflow_probability: float | None = None
    full_from: datetime | None = None
    full_until: datetime | None = None


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


class SkipReason(StrEnum):
    """Why a driver did not empty a bin."""

    BLOCKED = "blocked"
    NOT_OUT = "not_out"
    BROKEN = "broken"
    NO_ACCESS = "no_access"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One bin on a route; `distance_m` and `arrival_s` count from the route's start.

    `volume_l` is the container's; `content_l` and `weight_kg` are what it is expected to hold.
    """

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
    skip_reason: str | None = None
    """A `SkipReason`, where the driver added words followed by a colon and them: `other: dog in the yard`."""
    street: str | None = None
    remark: str | None = None
    waste_kind: str = ""
    content_l: float = 0.0
    weight_kg: float = 0.0
    service_s: int = 0
    overflow_probability: float | None = None
    """Of being full before the next chance to collect it, when the plan was made."""
    municipality: str = ""
    """Whose bin it is."""
    changed: bool = False
    """It is new on this route, or its place in the order is, since the plan that this one replaces."""


class PauseKind(StrEnum):
    """What a vehicle does on a route besides stops."""

    UNLOADING = "unloading"
    BREAK = "break"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Unloading at a disposal site, or the legal break, after the stop with number `after` (0: before the first).

    `arrival_s` and `distance_m` count from the route's start.
    """

    kind: PauseKind
    after: int
    arrival_s: int
    duration_s: int
    distance_m: int
    name: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One day of one vehicle: depot, stops in order with unloadings between, disposal site, depot.

    Metres, seconds, litres; `start_s` after local midnight (on days on which clocks change: after noon less twelve
    hours, so that 06:00 is 21,600 there too). `legs`: the line of each leg in driving order, from the
    depot back to the depot, positions as latitude and longitude; empty where roads are not known.
    """

    route_id: str
    vehicle: str
    stops: tuple[Stop, ...]
    distance_m: int
    duration_s: int
    load_l: float
    start_s: int = 0
    waste_kind: str = ""
    pauses: tuple[Pause, ...] = ()
    legs: tuple[tuple[tuple[float, float], ...], ...] = ()
    municipality: str = ""
    """Whose vehicle drives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfService:
    """A vehicle that drives no further on a day: that of a route, or (`route_id` None) one that has none yet.

    `keeps_load`: it stands where it is with what it has loaded; else it unloads and goes home.
    """

    vehicle: str
    municipality: str = ""
    route_id: str | None = None
    keeps_load: bool = False


class PlanState(StrEnum):
    """How far a planning job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


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
    unplanned_reasons: Mapping[str, str] = field(default_factory=dict)
    """Why each of them was left out, by id."""
    municipalities: tuple[str, ...] = ()
    """All that are planned together, `municipality` among them; empty: it alone."""
    notice: str | None = None
    """What planning had to do without, in one sentence."""
    replaces: str | None = None
    """The plan of the same day that this one was made from, with what drivers had confirmed by then."""
    levels_known: int | None = None
    """Of how many bins a level was known when it was made; None: not kept."""
    out: tuple[OutOfService, ...] = ()
    """Vehicles that drive no further, where it was made for that."""

    def routes_for(self, municipality: str) -> tuple[Route, ...]:
        """What a municipality is shown of a joint plan: its vehicles' routes, of others' the stops at its bins."""
        shown = []
        for route in self.routes:
            own = tuple(stop for stop in route.stops if stop.municipality == municipality)
            if route.municipality == municipality:
                shown.append(route)
            elif own:
                shown.append(replace(route, stops=own))
        return tuple(shown)


class EmptyingSource(StrEnum):
    """How an emptying is known."""

    DETECTED = "detected"
    CONFIRMED = "confirmed"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Emptying:
    """A bin was emptied after `not_before` and no later than `at`; levels 0-1, None: never measured.

    Detected, `at` is the first reading that shows it and `not_before` the last that does not: across a gap of days
    they lie far apart. Confirmed, `at` is the driver's instant. `partial`: much was taken out, but the bin was left
    more than a third full.
    """

    at: datetime
    level_before: float | None
    level_after: float | None
    not_before: datetime | None = None
    partial: bool = False
    source: EmptyingSource = EmptyingSource.DETECTED
