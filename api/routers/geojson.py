"""Devices on the map."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.filters import DeviceFilterDep
from api.paging import Cursor
from api.resources import ReadingsDep, StateDep
from api.schemas.device import DeviceFeature, DeviceFeatures, DeviceShown, Point
from api.schemas.reading import values_by_device
from core.clock import format_rfc3339
from core.device import Device
from storage.devices import DeviceFilter
from storage.page import Page
from storage.readings import ReadingStore
from storage.state import State

router = APIRouter(tags=["devices"])

GEO_JSON: Final = "application/geo+json"
MAX_FEATURES: Final = 50_000
CHUNK: Final = 1000


class _GeoJsonResponse(StreamingResponse):
    media_type = GEO_JSON


@router.get(
    "/v1/devices.geojson",
    response_class=_GeoJsonResponse,
    responses={200: {"model": DeviceFeatures}},
)
def get_devices_geojson(
    state: StateDep,
    readings: ReadingsDep,
    wanted: DeviceFilterDep,
    limit: Annotated[int, Query(ge=1, le=MAX_FEATURES, description="at most so many devices")] = MAX_FEATURES,
    cursor: Cursor = None,
) -> StreamingResponse:
    """Give devices with their newest values as a GeoJSON FeatureCollection, to be opened as a map layer."""
    first = state.devices.page(wanted, min(limit, CHUNK), cursor)
    features = _features(first.items, readings)
    return _GeoJsonResponse(_collection(state, readings, wanted, limit, first, features))


def _collection(
    state: State,
    readings: ReadingStore,
    wanted: DeviceFilter,
    limit: int,
    page: Page[Device],
    features: Sequence[dict[str, Any]],
) -> Iterator[str]:
    yield '{"type":"FeatureCollection","features":['
    written = 0
    while True:
        text = ",".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in features)
        yield f",{text}" if written and text else text
        written += len(features)
        if page.next_cursor is None or written >= limit:
            break
        page = state.devices.page(wanted, min(limit - written, CHUNK), page.next_cursor)
        features = _features(page.items, readings)
    yield f'],"next_cursor":{json.dumps(page.next_cursor)}}}'


def _features(devices: Sequence[Device], readings: ReadingStore) -> list[dict[str, Any]]:
    if not devices:
        return []
    latest = values_by_device(readings.latest(device_ids=[device.device_id for device in devices]))
    features = []
    for device in devices:
        values = latest.get(device.device_id, {})
        properties = DeviceShown.model_validate(device).model_dump(mode="json", exclude={"latitude", "longitude"})
        properties |= {quantity: value.value for quantity, value in values.items()}
        newest = max((value.observed_at for value in values.values()), default=None)
        properties["observed_at"] = format_rfc3339(newest) if newest else None
        point = None
        if device.latitude is not None and device.longitude is not None:
            point = Point(coordinates=(device.longitude, device.latitude))
        feature = DeviceFeature(id=device.device_id, geometry=point, properties=properties)
        features.append(feature.model_dump(mode="json"))
    return features
