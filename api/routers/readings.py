"""Newest values and series of readings."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.dependencies import ReadingsDep, StateDep
from api.errors import problems
from api.filters import DeviceFilterDep, DeviceIdPath, DeviceIdQuery
from api.negotiation import CSV, prefers_csv
from api.paging import PagingDep
from api.schemas.fields import Interval, Items, TimeIn
from api.schemas.reading import LatestShown, ObservationShown, show_observation, values_by_device
from core.clock import format_rfc3339, utc_now
from core.csv_text import write_csv
from core.cursor import decode_cursor, encode_cursor
from core.device import Device
from core.errors import InvalidInputError
from core.quantity import CATALOGUE
from core.reading import Aggregate, Observation
from devices.registry import device_type
from readings.store import ReadingStore

router = APIRouter(tags=["readings"])

DEFAULT_SPAN: Final = timedelta(hours=24)
MAX_INTERVALS: Final = 100_000
CSV_COLUMNS: Final = ("observed_at", "quantity", "value")
CSV_CHUNK: Final = 1000
_ANY_KIND: Final = (Aggregate.LAST, Aggregate.COUNT)
"""Aggregates of quantities that are no numbers."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, cut into intervals or not."""

    start: datetime
    end: datetime
    every: timedelta | None


async def window(
    start: Annotated[TimeIn | None, Query(description="from then on; missing: 24 hours before `end`")] = None,
    end: Annotated[TimeIn | None, Query(description="until before then; missing: now")] = None,
    every: Annotated[Interval | None, Query(description="aggregate per interval, an ISO 8601 duration")] = None,
) -> Window:
    """Dependency: the span asked for.

    Raises:
        InvalidInputError: it is empty or has too many intervals.
    """
    end = end or utc_now()
    start = start or max(end - DEFAULT_SPAN, datetime(1970, 1, 1, tzinfo=UTC))
    if start >= end:
        raise InvalidInputError("start: must be before end")
    if every is not None and (end - start) / every > MAX_INTERVALS:
        raise InvalidInputError(f"every: more than {MAX_INTERVALS} intervals between start and end")
    return Window(start, end, every)


WindowDep = Annotated[Window, Depends(window)]


@dataclass(frozen=True, slots=True)
class _Series:
    """What is asked for of one device."""

    readings: ReadingStore
    device_id: str
    quantities: Collection[str] | None
    window: Window
    aggregate: Aggregate | None

    def page(self, limit: int, after: tuple[datetime, str] | None) -> tuple[list[Observation], bool]:
        """Up to `limit` observations, and whether there are more."""
        window = self.window
        found = self.readings.series(
            self.device_id,
            self.quantities,
            window.start,
            window.end,
            every=window.every,
            aggregate=self.aggregate,
            limit=limit + 1,
            after=after,
        )
        return found[:limit], len(found) > limit


@router.get("/v1/readings/latest")
def list_latest_readings(
    state: StateDep, readings: ReadingsDep, paging: PagingDep, wanted: DeviceFilterDep, device_id: DeviceIdQuery = None
) -> Items[LatestShown]:
    """List registered devices with the newest value of each quantity, by device id."""
    if device_id is None:
        page = state.devices.page(wanted, paging.limit, paging.cursor)
        return Items(items=_latest(page.items, readings), next_cursor=page.next_cursor)
    if wanted.q is not None or wanted.bbox is not None:
        raise InvalidInputError("device_id: cannot be combined with q or bbox")
    device = state.devices.find(device_id)
    matches = device is not None and all(
        getattr(wanted, name) in (None, getattr(device, name)) for name in ("municipality", "device_type", "status")
    )
    return Items(items=_latest([device] if device is not None and matches else [], readings), next_cursor=None)


@router.get("/v1/devices/{device_id}/readings/latest", responses=problems(404))
def get_latest_readings(device_id: DeviceIdPath, state: StateDep, readings: ReadingsDep) -> LatestShown:
    """Give the newest value of each quantity of one device."""
    (latest,) = _latest([state.devices.get(device_id)], readings)
    return latest


@router.get(
    "/v1/devices/{device_id}/readings",
    responses=problems(404) | {200: {"content": {CSV: {"schema": {"type": "string"}}}}},
    response_model=Items[ObservationShown],
)
def list_readings(
    *,
    request: Request,
    device_id: DeviceIdPath,
    state: StateDep,
    readings: ReadingsDep,
    paging: PagingDep,
    window: WindowDep,
    quantity: Annotated[list[str] | None, Query(description="only these; missing: all", max_length=50)] = None,
    aggregate: Annotated[Aggregate | None, Query(description="with `every`; missing: mean")] = None,
) -> Items[ObservationShown] | Response:
    """Give a device's series by time and quantity, as JSON or, with `Accept: text/csv`, as CSV.

    CSV goes on from `cursor` to the end in one answer unless `limit` is given.
    """
    device = state.devices.get(device_id)
    _check(device, quantity, window, aggregate)
    series = _Series(readings, device_id, quantity, window, aggregate)
    after = None if paging.cursor is None else decode_cursor(paging.cursor, datetime, str)
    if prefers_csv(request.headers.get("accept")):
        limit = paging.limit if "limit" in request.query_params else None
        first = series.page(CSV_CHUNK if limit is None else limit, after)
        return StreamingResponse(_csv(series, first, whole=limit is None), media_type=CSV)
    found, more = series.page(paging.limit, after)
    cursor = encode_cursor(found[-1].observed_at, found[-1].quantity) if more else None
    return Items(items=[show_observation(observation) for observation in found], next_cursor=cursor)


def _latest(devices: Collection[Device], readings: ReadingStore) -> list[LatestShown]:
    if not devices:
        return []
    values = values_by_device(readings.latest(device_ids=[device.device_id for device in devices]))
    return [
        LatestShown(
            device_id=device.device_id,
            device_type=device.device_type,
            municipality=device.municipality,
            values=values.get(device.device_id, {}),
        )
        for device in devices
    ]


def _check(device: Device, quantities: Collection[str] | None, window: Window, aggregate: Aggregate | None) -> None:
    if aggregate is not None and window.every is None:
        raise InvalidInputError("aggregate: needs every, the interval to aggregate")
    known = device_type(device.device_type).quantities
    for name in quantities or ():
        if name not in known:
            raise InvalidInputError(
                f"quantity: {ascii(name)[:80]} is none of a {device.device_type}; known: {', '.join(known)}"
            )
        if window.every is not None and not CATALOGUE[name].numeric and aggregate not in _ANY_KIND:
            raise InvalidInputError(f"aggregate: {name} is no number; only {' and '.join(_ANY_KIND)} work on it")


def _csv(series: _Series, page: tuple[list[Observation], bool], *, whole: bool) -> Iterator[str]:
    yield write_csv(CSV_COLUMNS, ())
    while True:
        found, more = page
        yield write_csv((), (_row(observation) for observation in found)).removeprefix("\r\n")
        if not (whole and more):
            return
        page = series.page(CSV_CHUNK, (found[-1].observed_at, found[-1].quantity))


def _row(observation: Observation) -> tuple[str, str, float | int | bool | str]:
    return format_rfc3339(observation.observed_at), observation.quantity, observation.value
