"""Pickups: bins due, plans, the routes in force."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from actions.pickups.due import due_for
from actions.pickups.queue_plan import queue_plan, queue_replan
from api.dependencies import ReadingsDep, SettingsDep, StateDep, TodayDep
from api.errors import problems
from api.filters import DayQuery, IdPath, MunicipalityQuery
from api.paging import PagingDep, page_of
from api.schemas.fields import Items
from api.schemas.pickup import DueBinShown, NewPlan, NewReplan, PlanShown, RouteInForce, RouteShown
from core.clock import utc_now
from core.pickup import OutOfService

router = APIRouter(prefix="/v1/pickups", tags=["pickups"])


@router.get("/due", responses=problems(404))
def list_due_bins(
    *,
    state: StateDep,
    readings: ReadingsDep,
    settings: SettingsDep,
    today: TodayDep,
    paging: PagingDep,
    municipality: MunicipalityQuery = None,
    date: DayQuery = None,
) -> Items[DueBinShown]:
    """List the bins to be emptied on a day with the reasons, most urgent first."""
    due = due_for(state, readings, municipality, date or today, settings.zone, now=utc_now())
    page, cursor = page_of(due, lambda bin_: bin_.device_id, paging)
    return Items(items=[DueBinShown.model_validate(bin_) for bin_ in page], next_cursor=cursor)


@router.get("/plans")
def list_plans(state: StateDep, paging: PagingDep, municipality: MunicipalityQuery = None) -> Items[PlanShown]:
    """List plans, newest first."""
    page = state.pickups.page_plans(municipality=municipality, limit=paging.limit, cursor=paging.cursor)
    return Items(items=[PlanShown.model_validate(plan) for plan in page.items], next_cursor=page.next_cursor)


@router.post(
    "/plans",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(400, 404, 409, 413) | {202: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
def make_plan(new: NewPlan, state: StateDep, today: TodayDep, response: Response) -> PlanShown:
    """Queue a plan of a day's routes; ask for the plan until its state is `done`, `failed` or `cancelled`."""
    day = new.date or today
    plan = queue_plan(state, new.together, day, utc_now(), time_limit_s=new.time_limit_s, seed=new.seed, asked_for=True)
    response.headers["Location"] = f"/v1/pickups/plans/{plan.plan_id}"
    return PlanShown.model_validate(plan)


@router.post("/plans/{plan_id}/cancel", responses=problems(404, 409))
def cancel_plan(plan_id: IdPath, state: StateDep) -> PlanShown:
    """End a planning job; a plan that is done or failed stays as it is."""
    return PlanShown.model_validate(state.pickups.cancel_plan(plan_id, utc_now()))


@router.post(
    "/plans/{plan_id}/replan",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(400, 404, 409, 413) | {202: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
def replan(plan_id: IdPath, state: StateDep, response: Response, new: NewReplan | None = None) -> PlanShown:
    """Queue a day to be planned again that drivers are at: what they reported stays, bins newly due come in."""
    new = new or NewReplan()
    plan = queue_replan(
        state,
        plan_id,
        utc_now(),
        out=[OutOfService(**each.model_dump()) for each in new.out],
        time_limit_s=new.time_limit_s,
        seed=new.seed,
        asked_for=True,
    )
    response.headers["Location"] = f"/v1/pickups/plans/{plan.plan_id}"
    return PlanShown.model_validate(plan)


@router.get("/plans/{plan_id}", responses=problems(404))
def get_plan(plan_id: IdPath, state: StateDep) -> PlanShown:
    """Give a plan and how far it is."""
    return PlanShown.model_validate(state.pickups.get_plan(plan_id))


@router.get("/routes")
def list_routes(
    state: StateDep,
    today: TodayDep,
    paging: PagingDep,
    municipality: MunicipalityQuery = None,
    date: DayQuery = None,
) -> Items[RouteInForce]:
    """List the routes in force on a day: those of each municipality's newest finished plan for it.

    Of a joint plan a municipality is shown the routes of its vehicles, and of others that come to its bins these stops.
    """
    day = date or today
    if municipality is None:
        plans = sorted(state.pickups.plans_in_force(day), key=lambda plan: plan.municipality)
    else:
        plan = state.pickups.plan_in_force(municipality, day)
        plans = [plan] if plan else []
    routes = [
        RouteInForce(
            **(
                RouteShown.model_validate(route).model_dump()
                | {"municipality": route.municipality or plan.municipality}
            ),
            plan_id=plan.plan_id,
            date=plan.date,
        )
        for plan in plans
        for route in (plan.routes if municipality is None or not plan.municipalities else plan.routes_for(municipality))
    ]
    page, cursor = page_of(routes, lambda route: route.route_id, paging)
    return Items(items=page, next_cursor=cursor)
