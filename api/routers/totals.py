"""Totals: aggregates over groups of devices."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query

from api.dependencies import ReadingsDep, StateDep
from api.filters import DeviceTypeQuery, MunicipalityQuery
from api.paging import PagingDep
from api.routers.readings import MAX_INTERVALS, WindowDep
from api.schemas.fields import Items
from api.schemas.reading import TotalShown
from core.cursor import decode_cursor, encode_cursor
from core.errors import InvalidInputError
from core.quantity import CATALOGUE
from core.reading import TOTAL_AGGREGATES, Aggregate, GroupBy, Total
from state.devices import DeviceFilter

router = APIRouter(tags=["readings"])

DEFAULT_EVERY: Final = timedelta(hours=1)
_NUMERIC: Final = sorted(name for name, quantity in CATALOGUE.items() if quantity.numeric)


@router.get("/v1/totals")
def list_totals(
    *,
    state: StateDep,
    readings: ReadingsDep,
    paging: PagingDep,
    window: WindowDep,
    quantity: Annotated[str, Query(description="what is aggregated", examples=["active_power_w"])],
    group_by: Annotated[GroupBy, Query(description="what is aggregated over")] = GroupBy.MUNICIPALITY,
    aggregate: Annotated[Aggregate, Query(description="any but `last` and `time_weighted_mean`")] = Aggregate.MEAN,
    municipality: MunicipalityQuery = None,
    device_type: DeviceTypeQuery = None,
) -> Items[TotalShown]:
    """List an aggregate over all observations of a group per interval (missing `every`: PT1H), by time and group."""
    if quantity not in _NUMERIC:
        raise InvalidInputError(f"quantity: {ascii(quantity)[:80]} cannot be aggregated; known: {', '.join(_NUMERIC)}")
    if aggregate not in TOTAL_AGGREGATES:
        raise InvalidInputError(f"aggregate: expected one of {', '.join(TOTAL_AGGREGATES)}")
    every = window.every or DEFAULT_EVERY
    if (window.end - window.start) / every > MAX_INTERVALS:
        raise InvalidInputError(f"every: more than {MAX_INTERVALS} intervals between start and end")
    streets = None
    if group_by is GroupBy.STREET:
        known = state.devices.all(DeviceFilter(municipality=municipality, device_type=device_type))
        streets = {device.device_id: device.street for device in known if device.street}
    totals = readings.totals(
        quantity,
        window.start,
        window.end,
        group_by=group_by,
        every=every,
        aggregate=aggregate,
        streets=streets,
        municipality=municipality,
        device_type=device_type,
    )
    if paging.cursor is not None:
        after = decode_cursor(paging.cursor, datetime, str)
        totals = [total for total in totals if _key(total) > after]
    page = totals[: paging.limit]
    cursor = encode_cursor(*_key(page[-1])) if len(totals) > len(page) else None
    return Items(items=[TotalShown.model_validate(total) for total in page], next_cursor=cursor)


def _key(total: Total) -> tuple[datetime, str]:
    return total.start, total.group
