"""Query parameters that several routes share."""

from typing import Annotated

from fastapi import Depends, Path, Query

from api.schemas.fields import (
    NO_CONTROL_CHARACTERS,
    Bbox,
    Day,
    DeviceId,
    DeviceTypeName,
    Id,
    Slug,
    parse_bbox,
)
from core.device import DeviceStatus
from state.devices import DeviceFilter

MunicipalityQuery = Annotated[Slug | None, Query(description="only of this municipality")]
DeviceTypeQuery = Annotated[DeviceTypeName | None, Query(description="only of this device type")]
DeviceIdQuery = Annotated[DeviceId | None, Query(description="only of this device")]
DayQuery = Annotated[Day | None, Query(description="local day; missing: today")]
DeviceIdPath = Annotated[DeviceId, Path(description="the device's id")]
MunicipalityPath = Annotated[Slug, Path(description="the municipality's slug")]
IdPath = Annotated[Id, Path(description="the id that the platform gave")]


async def _device_filter(
    municipality: MunicipalityQuery = None,
    device_type: DeviceTypeQuery = None,
    status: Annotated[DeviceStatus | None, Query(description="only of this status")] = None,
    bbox: Annotated[Bbox | None, Query(description="only inside west,south,east,north in degrees")] = None,
    q: Annotated[
        str | None,
        Query(max_length=200, pattern=NO_CONTROL_CHARACTERS, description="part of id, name or street, in any case"),
    ] = None,
) -> DeviceFilter:
    return DeviceFilter(municipality, device_type, status, parse_bbox(bbox) if bbox is not None else None, q)


DeviceFilterDep = Annotated[DeviceFilter, Depends(_device_filter)]
