"""Bins due, plans, routes and stops as the API takes and gives them."""

import datetime as dt
from typing import Annotated

from pydantic import Field

from api.schemas.fields import Body, Day, DeviceId, Shown, Slug, TimeOut
from core.pickup import DueReason, PlanState, StopState


class ForecastShown(Shown):
    """The level expected at an instant."""

    at: TimeOut
    filling_level: float
    full_at: TimeOut | None = Field(description="when it is expected to be full; null: not foreseeable")
    method: str
    low: float | None = Field(description="the level lies between low and high in nine of ten cases; null: not known")
    high: float | None
    overflow_probability: float | None = Field(description="of being full at that instant; null: not known")
    full_from: TimeOut | None = Field(description="in nine of ten cases it is full no earlier than this ...")
    full_until: TimeOut | None = Field(description="... and no later than this; null: not within a year, or not known")


class DueBinShown(Shown):
    """A bin to be emptied, and why."""

    device_id: DeviceId
    municipality: Slug
    name: str
    latitude: float | None
    longitude: float | None
    filling_level: float | None
    observed_at: TimeOut | None
    threshold: float
    reasons: list[DueReason]
    forecast: ForecastShown | None
    volume_l: float


class StopShown(Shown):
    """One bin on a route; distance and arrival count from the route's start."""

    stop_id: str
    sequence: int
    device_id: DeviceId
    name: str
    latitude: float
    longitude: float
    filling_level: float | None
    volume_l: float
    reasons: list[DueReason]
    arrival_s: int
    distance_m: int
    state: StopState
    done_at: TimeOut | None


class RouteShown(Shown):
    """One trip of one vehicle: depot, stops in order, disposal site, depot."""

    route_id: str
    vehicle: str
    stops: list[StopShown]
    distance_m: int
    duration_s: int
    load_l: float


class RouteInForce(RouteShown):
    """A route of the plan that holds on a day."""

    plan_id: str
    municipality: Slug
    date: dt.date


class PlanShown(Shown):
    """The routes of one municipality for one day, and how far planning is."""

    plan_id: str
    municipality: Slug
    date: dt.date
    state: PlanState
    progress: float = Field(description="0 to 1")
    error: str | None = Field(description="why it failed")
    created_at: TimeOut
    finished_at: TimeOut | None
    distance_source: str = Field(description="where distances come from", examples=["great_circle_x1.35"])
    distance_m: int
    duration_s: int
    depot_name: str
    depot_latitude: float | None
    depot_longitude: float | None
    disposal_name: str
    disposal_latitude: float | None
    disposal_longitude: float | None
    routes: list[RouteShown]
    unplanned: list[str] = Field(description="ids of due bins left out: no position, or more than the vehicles take")


class NewPlan(Body):
    """A plan to be made."""

    municipality: Slug
    date: Day | None = Field(None, description="missing: today")
    time_limit_s: Annotated[float, Field(ge=0.1, le=300, allow_inf_nan=False)] = Field(
        5.0, description="how long the solver may search", examples=[5]
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(0, description="the solver's seed")
