"""The job that queues the day's plans: each municipality's at its hour, once, and again where it asks for that."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from actions.pickups.queue_plan import queue_plan, queue_replan
from core.device import Municipality
from core.pickup import Plan, PlanState, StopState
from core.settings import Settings
from pickups.collection_days import is_collected
from pickups.due import DEVICE_TYPE
from state.state import State

RETRY_AFTER: Final = timedelta(hours=1)
"""A plan of the day that failed is tried again after so long."""


def plan_missing(state: State, settings: Settings, now: datetime) -> list[Plan]:
    """Queue today's plans where the planning hour has come and there is none; the plans queued.

    Safe to repeat, but not by two programs at once.

    Raises:
        StorageError: the state database does not answer; what was queued before stays so.
    """
    local = now.astimezone(settings.zone)
    today = local.date()
    with_bins = {
        municipality for municipality, device_type, _ in state.devices.count_by_status() if device_type == DEVICE_TYPE
    }
    queued = []
    everyone = state.municipalities.all()
    for municipality in everyone:
        together = _planned_together(municipality, everyone)
        if not with_bins & set(together) or local.hour < municipality.planning_hour:
            continue
        in_force = state.pickups.plan_in_force(municipality.municipality, today)
        tried_at = _tried_at(state, municipality.municipality, today, now)
        if in_force is not None:
            hour = _replanning_hour(in_force, municipality, local)
            if hour is not None and (tried_at is None or tried_at < hour):
                queued.append(queue_replan(state, in_force.plan_id, now))
        elif is_collected(municipality, today, settings.holidays_state) and tried_at is None:
            queued.append(queue_plan(state, together, today, now))
    return queued


def _replanning_hour(plan: Plan, municipality: Municipality, local: datetime) -> datetime | None:
    """The hour of replanning that has come since the plan was made; None: none has, or no driver is at it."""
    hours = [hour for hour in municipality.replanning_hours if hour <= local.hour]
    if not hours or all(stop.state is StopState.PLANNED for route in plan.routes for stop in route.stops):
        return None
    # An hour that comes twice when clocks are set back counts the first time.
    came_at = local.replace(hour=max(hours), minute=0, second=0, microsecond=0, fold=0)
    return came_at if plan.created_at < came_at else None


def _planned_together(municipality: Municipality, everyone: Sequence[Municipality]) -> list[str]:
    """The municipality and its neighbours; nobody if a neighbour plans for it."""
    slug = municipality.municipality
    known = {each.municipality for each in everyone}
    if not municipality.planned_with and any(slug in each.planned_with for each in everyone):
        return []
    return [slug, *(each for each in municipality.planned_with if each in known)]


def _tried_at(state: State, municipality: str, day: date, now: datetime) -> datetime | None:
    """When the newest plan of the day was asked for; None: there is none but some that failed an hour ago and more."""
    newest = state.pickups.page_plans(municipality=municipality, limit=10).items
    counting = (
        plan.created_at
        for plan in newest
        if plan.date == day
        and (plan.state is not PlanState.FAILED or (plan.finished_at or plan.created_at) > now - RETRY_AFTER)
    )
    return next(counting, None)
