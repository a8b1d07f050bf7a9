"""Bins due, plans, routes and stops as the API takes and gives them."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from api.schemas.fields import Body, Day, DeviceId, Shown, Slug, TimeOut
from core.pickup import DueReason, PauseKind, PlanState, StopState


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
    volume_l: float = Field(description="of the container")
    content_l: float = Field(description="what it is expected to hold")
    weight_kg: float
    waste_kind: str = Field(examples=["residual"])
    street: str | None
    remark: str | None
    municipality: str = Field(description="whose bin it is; empty: that of the plan")
    reasons: list[DueReason]
    overflow_probability: float | None = Field(
        description="of being full before the next chance to empty it; null: not known"
    )
    arrival_s: int
    service_s: int = Field(description="how long emptying takes")
    distance_m: int
    state: StopState
    done_at: TimeOut | None
    skip_reason: str | None = Field(description="why it was not emptied, the driver's words after a colon")
    changed: bool = Field(description="new here, or at another place than in the plan that this one replaces")


class PauseShown(Shown):
    """What a vehicle does besides stops, after the stop with number `after` (0: before the first)."""

    kind: PauseKind
    after: int
    arrival_s: int
    duration_s: int
    distance_m: int
    name: str = Field(description="of the disposal site", examples=["Umladestation"])
    latitude: float | None
    longitude: float | None


class RouteShown(Shown):
    """One day of one vehicle: depot, stops in order with unloadings and breaks between, disposal site, depot."""

    route_id: str
    vehicle: str
    municipality: str = Field(description="whose vehicle it is; empty: that of the plan")
    waste_kind: str = Field(examples=["residual"])
    start_s: int = Field(
        description="when it leaves, in seconds after local midnight: 21600 is 06:00", examples=[21_600]
    )
    stops: list[StopShown]
    distance_m: int
    duration_s: int
    load_l: float
    pauses: list[PauseShown]


class RouteInForce(RouteShown):
    """A route of the plan that holds on a day."""

    plan_id: str
    date: dt.date


class VehicleOut(Shown, Body):
    """A vehicle that drives no further from now on."""

    vehicle: Annotated[str, Field(min_length=1, max_length=100)] = Field(examples=["truck"])
    municipality: Slug | Literal[""] = Field("", description="whose it is; missing: of the first that has one")
    route_id: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="its route, where vehicles of one name drive several"
    )
    keeps_load: bool = Field(False, description="it stands where it is; else it unloads and goes home")


class PlanShown(Shown):
    """The routes of one municipality, or of several together, for one day, and how far planning is."""

    plan_id: str
    municipality: Slug
    municipalities: list[Slug] = Field(
        description="all that are planned together; empty: it alone", examples=[["lahntal", "marburg"]]
    )
    notice: str | None = Field(description="what planning had to do without, such as the road engine")
    replaces: str | None = Field(description="the plan of the day that it was made from")
    out: list[VehicleOut] = Field(description="vehicles that drive no further on this day")
    levels_known: int | None = Field(
        description="of how many bins a level was known when it was made; of none and without a stop it is not in force"
    )
    date: dt.date
    state: PlanState
    progress: float = Field(description="0 to 1", examples=[0.4])
    error: str | None = Field(description="why it failed", examples=["municipality marburg has no vehicle"])
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
    unplanned: list[str] = Field(description="ids of due bins left out")
    unplanned_reasons: dict[str, str] = Field(
        description="why each of them was", examples=[{"bin-marburg-0007": "no position"}]
    )


class NewReplan(Body):
    """A plan to be made again during the day."""

    out: Annotated[list[VehicleOut], Field(max_length=100)] = Field(
        default_factory=list, description="vehicles that have broken down: others take over what they had still to do"
    )
    time_limit_s: Annotated[float, Field(ge=0.1, le=300, allow_inf_nan=False)] = 5.0
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class NewPlan(Body):
    """A plan to be made, of one municipality or of several together, the first of which leads."""

    municipality: Slug | None = Field(None, examples=["marburg"])
    municipalities: Annotated[list[Slug], Field(min_length=1, max_length=100)] | None = Field(
        None, description="instead of `municipality`: planned together, with the vehicles of all"
    )
    date: Day | None = Field(None, description="missing: today")
    time_limit_s: Annotated[float, Field(ge=0.1, le=300, allow_inf_nan=False)] = Field(
        5.0, description="how long the solver may search", examples=[5]
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(0, description="the solver's seed")

    @model_validator(mode="after")
    def _either_one_or_several(self) -> Self:
        if (self.municipality is None) == (self.municipalities is None):
            raise ValueError("either municipality or municipalities is needed")
        return self

    @property
    def together(self) -> list[str]:
        """All that are planned."""
        return self.municipalities if self.municipality is None and self.municipalities else [str(self.municipality)]
