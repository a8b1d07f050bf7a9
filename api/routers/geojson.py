"""Devices on the map."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, StreamingResponse

from api.dependencies import ReadingsDep, StateDep
from api.filters import DeviceFilterDep
from api.paging import Cursor
from api.schemas.device import DeviceFeature, DeviceFeatures, DeviceShown, Point
from api.schemas.reading import values_by_device
from core.clock import format_rfc3339
from core.device import Device
from readings.store import ReadingStore
from sql.page import Page
from state.devices import DeviceFilter
from state.state import State

router = APIRouter(tags=["devices"])

GEO_JSON: Final = "application/geo+json"
MAX_FEATURES: Final = 50_000
CHUNK: Final = 1000


class _GeoJsonResponse(JSONResponse):
    """What the description says; the route streams it."""

    media_type = GEO_JSON


@router.get(
    "/v1/devices.geojson",
    response_class=_GeoJsonResponse,
    response_model=DeviceFeatures,
)
def get_devices_geojson(
    state: StateDep,
    readings: ReadingsDep,
    wanted: DeviceFilterDep,
    limit: Annotated[int, Query(ge=1, le=MAX_FEATURES, description="at most so many devices")] = MAX_FEATURES,
    cursor: Cursor = None,
) -> StreamingResponse:
    """Give devices with their newest values as a GeoJSON FeatureCollection, to be opened as a map layer."""
    pages = _pages(state, wanted, limit, cursor)
    first = next(pages)  # a store that does not answer is a problem, not half a file
    return StreamingResponse(_collection(readings, first, _features(first.items, readings), pages), media_type=GEO_JSON)


def _pages(state: State, wanted: DeviceFilter, limit: int, cursor: str | None) -> Iterator[Page[Device]]:
    while True:
        page = state.devices.page(wanted, min(limit, CHUNK), cursor)
        yield page
        limit -= len(page.items)
        cursor = page.next_cursor
        if cursor is None or limit <= 0:
            return


def _collection(
    readings: ReadingStore, page: Page[Device], features: Sequence[dict[str, Any]], more: Iterator[Page[Device]]
) -> Iterator[str]:
    yield '{"type":"FeatureCollection","features":['
    yield _text(features)
    last = page
    for last in more:
        yield "," + _text(_features(last.items, readings))
    yield f'],"next_cursor":{json.dumps(last.next_cursor)}}}'


def _text(features: Sequence[dict[str, Any]]) -> str:
    return ",".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in features)


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
