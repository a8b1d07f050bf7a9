"""Devices as the API takes and gives them."""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from api.schemas.fields import (
    NO_CONTROL_CHARACTERS,
    Body,
    DeviceId,
    DeviceTypeName,
    Latitude,
    Line,
    Longitude,
    Shown,
    Slug,
    TimeOut,
)
from core.device import Connection, Device, DeviceStatus
from core.errors import InvalidInputError
from devices.registry import device_type

AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL_CHARACTERS)]
AttributeText = Annotated[str, StringConstraints(max_length=1000, pattern=NO_CONTROL_CHARACTERS)]
ExactInteger = Annotated[int, Field(ge=-(2**53), le=2**53)]
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
AttributeValue = AttributeText | bool | ExactInteger | FiniteNumber
Attributes = Annotated[
    dict[AttributeName, AttributeValue | None],
    Field(
        max_length=64,
        description="what is particular to this device: `height_m`, `volume_l`, `pole`, ...",
        examples=[{"height_m": 1.1, "volume_l": 120}],
    ),
]


StatusIn = Annotated[DeviceStatus, Field(strict=False)]


class NewDevice(Body):
    """A device to be registered."""

    device_id: DeviceId
    device_type: DeviceTypeName
    municipality: Slug
    name: Line = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    street: Line | None = None
    status: StatusIn = DeviceStatus.ACTIVE
    attributes: Attributes = Field({})

    @model_validator(mode="after")
    def _whole_position(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude are given together or not at all")
        return self

    def device(self) -> Device:
        """The device of the registry; attributes that are null are left out."""
        return Device(
            **self.model_dump(exclude={"attributes"}),
            attributes={name: value for name, value in self.attributes.items() if value is not None},
        )


class DeviceChange(Body):
    """What is to change of a device; what is missing stays."""

    municipality: Slug | None = Field(None, description="move the device to another municipality")
    name: Line | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    street: Line | None = Field(None, description="null: no street")
    status: StatusIn | None = Field(None, description="`active` adopts a discovered device")
    attributes: Attributes = Field({}, description="merged into the device's; null removes one")

    @model_validator(mode="after")
    def _null_only_where_it_means_none(self) -> Self:
        for name in ("municipality", "name", "status"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self

    def applied_to(self, device: Device) -> Device:
        """The device with what is to change.

        Raises:
            InvalidInputError: an attribute is not as the device type wants it, or half a position is left.
        """
        changes = self.model_dump(include=self.model_fields_set - {"attributes"})
        if self.attributes:
            merged = {**device.attributes, **self.attributes}
            changes["attributes"] = {name: value for name, value in merged.items() if value is not None}
            device_type(device.device_type).check_attributes(changes["attributes"])
        changed = replace(device, **changes)
        if (changed.latitude is None) != (changed.longitude is None):
            raise InvalidInputError("latitude and longitude are given together or not at all")
        return changed


class DeviceShown(Shown):
    """A device of the registry."""

    device_id: DeviceId
    device_type: str = Field(examples=["waste_bin"])
    municipality: Slug
    name: str = Field(examples=["Marktplatz 4"])
    latitude: float | None = Field(examples=[50.8099])
    longitude: float | None = Field(examples=[8.7709])
    street: str | None = Field(examples=["Beltershäuser Straße"])
    status: DeviceStatus
    attributes: dict[str, str | bool | int | float | None] = Field(examples=[{"height_m": 1.1}])
    connection: Connection = Field(description="what its last status message, or its last will, said")
    last_seen_at: TimeOut | None = Field(description="when something last came from it")
    created_at: TimeOut | None


class Imported(BaseModel):
    """What an import did."""

    imported: int = Field(description="devices added or replaced", examples=[412])
    odd_positions: dict[str, str] = Field(
        {},
        description="of these the ones that are far from the others of their municipality, by id, with the reason; "
        "missing where there is none",
    )


class Point(BaseModel):
    """A GeoJSON position."""

    type: Literal["Point"] = "Point"
    coordinates: tuple[float, float] = Field(description="longitude, latitude", examples=[(8.7709, 50.8099)])


class DeviceFeature(BaseModel):
    """A device on the map."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: Point | None
    properties: dict[str, Any] = Field(
        description="the device's fields, its newest value of each quantity by name, `observed_at` of the newest"
    )


class DeviceFeatures(BaseModel):
    """Devices on the map (RFC 7946)."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[DeviceFeature]
    next_cursor: str | None = Field(None, description="where more than `limit` devices match: cursor of the rest")
