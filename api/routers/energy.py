"""Energy: what lamps used, what dimming saved."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from actions.lights.energy_report import energy_report
from api.dependencies import ReadingsDep, SettingsDep, StateDep
from api.errors import problems
from api.filters import DeviceIdQuery, MunicipalityQuery
from api.negotiation import CSV, prefers_csv
from api.paging import PagingDep
from api.schemas.energy import EnergyItems, EnergyShown
from api.schemas.fields import TimeIn
from core.clock import format_rfc3339, utc_now
from core.csv_text import Cell, write_csv
from core.cursor import decode_cursor, encode_cursor
from core.errors import InvalidInputError
from core.settings import Settings
from lights.energy import EnergyGroup, EnergyInterval, EnergyTotal, bounds

router = APIRouter(tags=["energy"])

MAX_INTERVALS: Final = 1000
MAX_FIGURES: Final = 100_000
"""Lamps times intervals: a year of months of 8,000 lamps, a month of days of 3,000."""
DIGITS: Final = 4
"""Figures are given to so many decimals: 0.1 Wh."""
_CSV_ANSWER: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {CSV: {"schema": {"type": "string"}}}}}


def _totals(  # noqa: PLR0917 - a dependency is called by its names
    state: StateDep,
    readings: ReadingsDep,
    settings: SettingsDep,
    start: Annotated[
        TimeIn | None, Query(description="from then on; missing: the local month in which `end` lies")
    ] = None,
    end: Annotated[TimeIn | None, Query(description="until before then, at most until now; missing: now")] = None,
    every: Annotated[EnergyInterval, Query(description="calendar months or days of local time")] = EnergyInterval.MONTH,
    group_by: Annotated[EnergyGroup, Query(description="what is added up over")] = EnergyGroup.MUNICIPALITY,
    municipality: MunicipalityQuery = None,
    device_id: DeviceIdQuery = None,
) -> list[EnergyTotal]:
    """Dependency: the figures asked for."""
    now = utc_now()
    end = min(end or now, now)
    if start is None:
        start = end.astimezone(settings.zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        start = max(start.astimezone(UTC), datetime(1970, 1, 1, tzinfo=UTC))
    if start >= end:
        raise InvalidInputError("start: must be before end, and not in the future")
    of = bounds(start, end, every, settings.zone, most=MAX_INTERVALS)
    return energy_report(
        state, readings, of, group_by=group_by, municipality=municipality, device_id=device_id, most=MAX_FIGURES
    )


TotalsDep = Annotated[list[EnergyTotal], Depends(_totals)]


@router.get("/v1/energy", responses=problems(422) | _CSV_ANSWER, response_model=EnergyItems)
def list_energy(
    request: Request, totals: TotalsDep, paging: PagingDep, settings: SettingsDep
) -> EnergyItems | Response:
    """List energy, hours of light, switchings, saving and CO2 per interval and group, by start, municipality and group.

    As JSON or, with `Accept: text/csv`, as CSV: all from `cursor` on in one answer unless `limit` is given.
    """
    if paging.cursor is not None:
        after = decode_cursor(paging.cursor, datetime, str, str)
        totals = [total for total in totals if _key(total) > after]
    if prefers_csv(request.headers.get("accept")):
        return _csv(totals[: paging.limit] if "limit" in request.query_params else totals, settings)
    page = totals[: paging.limit]
    cursor = encode_cursor(*_key(page[-1])) if len(totals) > len(page) else None
    return EnergyItems(
        items=[_shown(total, settings) for total in page],
        next_cursor=cursor,
        co2_g_per_kwh=settings.co2_g_per_kwh,
        co2_source=settings.co2_source,
    )


@router.get("/v1/energy.csv", responses=problems(422) | _CSV_ANSWER, response_class=Response)
def get_energy_csv(totals: TotalsDep, settings: SettingsDep) -> Response:
    """Give the same as one CSV."""
    return _csv(totals, settings)


def _key(total: EnergyTotal) -> tuple[datetime, str, str]:
    return total.start, total.municipality, total.group


def _shown(total: EnergyTotal, settings: Settings) -> EnergyShown:
    figures = {name: getattr(total, name) for name in EnergyShown.model_fields if not name.startswith("co2_")}
    figures["co2_kg"] = total.co2_kg(settings.co2_g_per_kwh)
    figures["co2_saved_kg"] = total.co2_saved_kg(settings.co2_g_per_kwh)
    return EnergyShown.model_validate(
        {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in figures.items()}
    )


def _csv(totals: list[EnergyTotal], settings: Settings) -> Response:
    header = [*EnergyShown.model_fields, "co2_g_per_kwh", "co2_source"]
    rows = (
        [*map(_cell, _shown(total, settings).model_dump().values()), settings.co2_g_per_kwh, settings.co2_source]
        for total in totals
    )
    return Response(write_csv(header, rows), media_type=CSV)


def _cell(value: datetime | Cell) -> Cell:
    return format_rfc3339(value) if isinstance(value, datetime) else value
