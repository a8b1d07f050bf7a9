"""Municipalities as the API takes and gives them."""

from typing import Annotated, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from api.schemas.fields import Body, Latitude, Line, Longitude, Share, Shown, Slug

Hour = Annotated[int, Field(ge=0, le=23)]
Weekday = Annotated[int, Field(ge=1, le=7)]
Cost = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class PlaceShown(Shown):
    """A depot or disposal site."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Line
    latitude: Latitude
    longitude: Longitude


Seconds = Annotated[int, Field(ge=0, le=86_400)]
Kinds = Annotated[
    list[Line],
    BeforeValidator(lambda kinds: list(kinds) if isinstance(kinds, tuple) else kinds),
    Field(max_length=20),
]


class DisposalSiteShown(PlaceShown):
    """Where vehicles unload: seconds that it takes, local opening hours in seconds after midnight (null: always)."""

    unloading_s: Seconds = 900
    waste_kinds: Kinds = Field([], description="what is taken; empty: everything", examples=[["residual", "paper"]])
    open_from_s: Seconds | None = Field(None, examples=[25_200])
    open_until_s: Seconds | None = Field(None, examples=[61_200])

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.open_from_s is not None and self.open_until_s is not None and self.open_from_s >= self.open_until_s:
            raise ValueError(f"{self.name} opens at {self.open_from_s} s and closes at {self.open_until_s} s")
        return self


class VehicleShown(Shown):
    """A kind of collection vehicle: litres of uncompacted waste and kilograms, seconds, euros, tonnes and metres."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Line
    count: Annotated[int, Field(ge=0, le=1000)]
    capacity_l: Positive
    shift_s: Annotated[int, Field(gt=0, le=86_400)] = Field(description="from leaving to return, breaks included")
    capacity_kg: Positive | None = Field(None, description="null: only its volume limits it")
    shift_start_s: Seconds = Field(21_600, description="after local midnight")
    cost_per_day: Cost = Field(100.0, description="euros for a day on which it is used")
    cost_per_km: Cost = 0.8
    cost_per_hour: Cost = 0.0
    fuel_l_per_100km: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 30.0
    waste_kinds: Kinds = Field([], description="what it takes, one kind a day; empty: everything")
    weight_t: Positive | None = Field(None, description="gross weight, for the roads it may use")
    height_m: Positive | None = None


class MunicipalityChange(Body):
    """What is to change of a municipality; what is missing stays."""

    name: Line | None = None
    filling_threshold: Share | None = Field(None, description="level from which a bin is due", examples=[0.8])
    planning_hour: Hour | None = Field(None, description="local hour of the day's plan")
    depot: PlaceShown | None = Field(None, description="null: none")
    disposal_sites: Annotated[list[DisposalSiteShown], Field(max_length=50)] | None = Field(
        None, description="empty: vehicles unload at the depot"
    )
    vehicles: Annotated[list[VehicleShown], Field(max_length=50)] | None = None
    collection_days: Annotated[list[Weekday], Field(min_length=1, max_length=7)] | None = Field(
        None, description="weekdays on which bins are emptied, 1 is Monday; public holidays are none", examples=[[1, 4]]
    )
    collects_on_holidays: bool | None = Field(None, description="whether public holidays are days like others")
    required_probability: Share | None = Field(
        None, description="a bin that is full before the next chance with this probability must be emptied"
    )
    required_level: Share | None = Field(
        None, description="a bin at this level must be emptied, whatever its forecast says"
    )
    least_level: Share | None = Field(
        None, description="a bin below this level is emptied only when it must be, not because a vehicle passes by"
    )
    overflow_cost: Cost | None = Field(None, description="what avoiding an overflow is worth, in euros")
    replanning_hours: Annotated[list[Hour], Field(max_length=24)] | None = Field(
        None, description="local hours at which the plan of the day is made again", examples=[[9, 12]]
    )
    planned_with: Annotated[list[Slug], Field(max_length=100)] | None = Field(
        None, description="neighbours whose bins and vehicles are planned together with its own"
    )

    @model_validator(mode="after")
    def _null_only_where_it_means_none(self) -> Self:
        for name in self.model_fields_set - {"depot"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self


class MunicipalitySettings(Shown):
    """A municipality as it is kept."""

    municipality: Slug
    name: str = Field(examples=["Marburg"])
    latitude: float | None
    longitude: float | None
    filling_threshold: float = Field(description="level from which a bin is due", examples=[0.8])
    planning_hour: int
    depot: PlaceShown | None
    disposal_sites: list[DisposalSiteShown]
    vehicles: list[VehicleShown]
    collection_days: list[int] = Field(description="weekdays on which bins are emptied, 1 is Monday")
    collects_on_holidays: bool
    required_probability: float
    required_level: float
    least_level: float
    overflow_cost: float
    replanning_hours: list[int]
    planned_with: list[Slug]


class MunicipalityShown(MunicipalitySettings):
    """A municipality with its counts."""

    devices: int = Field(description="registered devices, whatever their status", examples=[380])
    devices_by_type: dict[str, int] = Field(examples=[{"streetlight": 300, "waste_bin": 80}])
    alerts: int = Field(description="open alerts", examples=[4])
    bins_due: int = Field(description="bins due today", examples=[7])
