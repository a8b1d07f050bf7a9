"""The report on pickups for the office."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from actions.pickups.report import pickup_report
from api.dependencies import ReadingsDep, SettingsDep, StateDep, TodayDep
from api.errors import problems
from api.filters import MunicipalityQuery
from api.negotiation import CSV, prefers_csv
from api.paging import PagingDep, page_of
from api.schemas.fields import Day, Items
from api.schemas.pickup_report import ReportShown
from core.clock import utc_now
from core.csv_text import write_csv
from pickups.report_table import columns, document, row

router = APIRouter(prefix="/v1/pickups", tags=["pickups"])

MAX_BIN_DAYS: Final = 200_000
"""Bins times days: a quarter of 2,000 bins; the command line takes more."""
_CSV_ANSWER: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {CSV: {"schema": {"type": "string"}}}}}


@router.get("/report", responses=problems(404) | _CSV_ANSWER, response_model=Items[ReportShown])
def get_report(
    *,
    request: Request,
    state: StateDep,
    readings: ReadingsDep,
    settings: SettingsDep,
    today: TodayDep,
    paging: PagingDep,
    municipality: MunicipalityQuery = None,
    start: Annotated[Day | None, Query(description="first local day; missing: that of the month of `end`")] = None,
    end: Annotated[Day | None, Query(description="last local day, itself included; missing: today")] = None,
) -> Items[ReportShown] | Response:
    """Report by municipality and month, with totals: routes, kilometres, hours, litres, levels at emptying, overflows.

    Beside them what a fixed weekly schedule would have taken. As JSON or, with `Accept: text/csv`, all as CSV.
    """
    last: date = end or today
    first: date = start or min(last, today).replace(day=1)
    lines = [
        document(line.municipality, line.month, line.figures)
        for line in pickup_report(
            state, readings, municipality, first, last, zone=settings.zone, now=utc_now(), most=MAX_BIN_DAYS
        )
    ]
    if prefers_csv(request.headers.get("accept")):
        names = columns()
        rows = [row(line) for line in lines]
        return Response(write_csv(names, [[each.get(name) for name in names] for each in rows]), media_type=CSV)
    page, cursor = page_of(lines, lambda line: f"{line['municipality'] or ''}/{line['month'] or ''}", paging)
    return Items(items=[ReportShown.model_validate(line) for line in page], next_cursor=cursor)
