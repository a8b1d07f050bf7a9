"""A finished plan for other programs and for the driver: GeoJSON, GPX, CSV, and a sheet to print."""

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from actions.pickups.sheet import pickup_sheet
from api.dependencies import SettingsDep, StateDep
from api.errors import problems
from api.filters import IdPath
from api.schemas.fields import Id
from core.errors import ConflictError
from core.notification import Language
from core.pickup import Plan, PlanState
from pickups.sheet.exports import plan_csv, plan_geojson, plan_gpx
from state.state import State

router = APIRouter(prefix="/v1/pickups", tags=["pickups"])

GEO_JSON: Final = "application/geo+json"
GPX: Final = "application/gpx+xml"
CSV: Final = "text/csv"
PDF: Final = "application/pdf"
RouteQuery = Annotated[Id | None, Query(description="only this route of the plan")]


def _file(media_type: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": schema}}}, **problems(404, 409)}


@router.get("/plans/{plan_id}.geojson", response_class=Response, responses=_file(GEO_JSON, {"type": "object"}))
def get_plan_geojson(plan_id: IdPath, state: StateDep, route: RouteQuery = None) -> Response:
    """Give the routes of a finished plan as GeoJSON: their lines, stops, unloadings and breaks with local times."""
    content = json.dumps(plan_geojson(_done(state, plan_id), route), ensure_ascii=False, separators=(",", ":"))
    return Response(content, media_type=GEO_JSON)


@router.get("/plans/{plan_id}.gpx", response_class=Response, responses=_file(GPX, {"type": "string"}))
def get_plan_gpx(plan_id: IdPath, state: StateDep, route: RouteQuery = None) -> Response:
    """Give the routes of a finished plan as GPX, for navigation; with tracks where roads are known."""
    return Response(plan_gpx(_done(state, plan_id), route), media_type=GPX)


@router.get("/plans/{plan_id}.csv", response_class=Response, responses=_file(CSV, {"type": "string"}))
def get_plan_csv(plan_id: IdPath, state: StateDep, route: RouteQuery = None) -> Response:
    """Give the stops of a finished plan in driving order as CSV."""
    return Response(plan_csv(_done(state, plan_id), route), media_type=CSV)


@router.get(
    "/plans/{plan_id}.pdf",
    response_class=Response,
    responses=_file(PDF, {"type": "string", "contentMediaType": PDF}),
)
def get_plan_pdf(
    plan_id: IdPath,
    state: StateDep,
    settings: SettingsDep,
    route: RouteQuery = None,
    lang: Annotated[Language, Query(description="language of the sheet")] = Language.GERMAN,
) -> Response:
    """Give the sheets of a finished plan to print: map, list, and a code a stop that opens navigation."""
    plan = _done(state, plan_id)
    content = pickup_sheet(state, plan, settings, language=lang, route_id=route)
    name = f"{plan.municipality}-{plan.date.isoformat()}.pdf"
    return Response(content, media_type=PDF, headers={"Content-Disposition": f'inline; filename="{name}"'})


def _done(state: State, plan_id: str) -> Plan:
    plan = state.pickups.get_plan(plan_id)
    if plan.state is not PlanState.DONE:
        raise ConflictError(f"plan {plan_id} is {plan.state.value}, not done")
    return plan
