"""Municipalities as the API takes and gives them."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from api.schemas.fields import Body, Latitude, Line, Longitude, Share, Shown, Slug

Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class PlaceShown(Shown):
    """A depot or disposal site."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Line
    latitude: Latitude
    longitude: Longitude


class VehicleShown(Shown):
    """A kind of collection vehicle: litres of uncompacted waste, seconds of a shift."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Line
    count: Annotated[int, Field(ge=0, le=1000)]
    capacity_l: Positive
    shift_s: Annotated[int, Field(gt=0, le=86_400)]


class MunicipalityChange(Body):
    """What is to change of a municipality; what is missing stays."""

    name: Line | None = None
    filling_threshold: Share | None = Field(None, description="level from which a bin is due", examples=[0.8])
    planning_hour: Annotated[int, Field(ge=0, le=23)] | None = Field(None, description="local hour of the day's plan")
    depot: PlaceShown | None = Field(None, description="null: none")
    disposal_site: PlaceShown | None = Field(None, description="null: none")
    vehicles: Annotated[list[VehicleShown], Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _null_only_where_it_means_none(self) -> Self:
        for name in ("name", "filling_threshold", "planning_hour", "vehicles"):
            if name in self.model_fields_set and getattr(self, name) is None:
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
    disposal_site: PlaceShown | None
    vehicles: list[VehicleShown]


class MunicipalityShown(MunicipalitySettings):
    """A municipality with its counts."""

    devices: int = Field(description="registered devices, whatever their status", examples=[380])
    devices_by_type: dict[str, int] = Field(examples=[{"streetlight": 300, "waste_bin": 80}])
    alerts: int = Field(description="open alerts", examples=[4])
    bins_due: int = Field(description="bins due today", examples=[7])
