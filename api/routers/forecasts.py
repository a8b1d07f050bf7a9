"""The outlook of a bin: levels to come, when it is full, when it was emptied."""

from dataclasses import asdict
from itertools import zip_longest
from typing import Annotated

from fastapi import APIRouter, Query

from actions.pickups.outlook import bin_outlook
from api.dependencies import ReadingsDep, SettingsDep, StateDep
from api.errors import problems
from api.filters import DeviceIdPath
from api.schemas.forecast import BinOutlook, EmptyingShown, LevelExpected
from core.clock import utc_now

router = APIRouter(prefix="/v1/devices", tags=["pickups"])


@router.get("/{device_id}/forecast", responses=problems(404))
def get_forecast(
    device_id: DeviceIdPath,
    state: StateDep,
    readings: ReadingsDep,
    settings: SettingsDep,
    days: Annotated[int, Query(ge=1, le=14, description="so far ahead")] = 7,
) -> BinOutlook:
    """Forecast how full a bin will be, with intervals, and list its last emptyings."""
    device = state.devices.get(device_id)
    outlook = bin_outlook(state, readings, device, now=utc_now(), days=days, zone=settings.zone)
    first = outlook.forecasts[0] if outlook.forecasts else None
    return BinOutlook(
        device_id=device_id,
        place_id=outlook.place_id,
        method=first.method if first else None,
        filling_level=outlook.newest.filling_level if outlook.newest else None,
        observed_at=outlook.newest.observed_at if outlook.newest else None,
        full_at=first.full_at if first else None,
        full_from=first.full_from if first else None,
        full_until=first.full_until if first else None,
        levels=[
            LevelExpected.model_validate(asdict(expected) | {"observed_level": observed})
            for expected, observed in zip_longest(outlook.forecasts, outlook.observed_levels)
        ],
        emptyings=[EmptyingShown.model_validate(emptying) for emptying in outlook.emptyings],
    )
