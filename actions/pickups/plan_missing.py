"""The job that makes the day's plans: each municipality's at its hour, once, and again where it asks for that."""

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from actions.pickups.plan import plan_day, queue_replan, run_plan
from core.clock import utc_now
from core.device import Municipality
from core.pickup import Plan, PlanState, StopState
from core.settings import Settings
from core.travel import Roads
from pickups.collection_days import is_collected
from pickups.due import DEVICE_TYPE
from readings.open import open_readings
from readings.store import ReadingStore
from roads import open_roads
from state.state import State, open_state

logger = logging.getLogger(__name__)

RETRY_AFTER: Final = timedelta(hours=1)
"""A plan of the day that failed is tried again after so long."""
STALE_AFTER: Final = timedelta(minutes=15)
"""A plan still queued or running after so long was interrupted: its program ended."""


def plan_missing(settings: Settings) -> None:
    """Make today's plans where the planning hour has come and there is none: the job that runs every minute.

    Opens and closes its own stores, so it may run in a process of its own. Plans that an ended program left behind
    become failed.
    """
    state = open_state(settings.state_url)
    try:
        readings = open_readings(settings)
        try:
            _plan_missing(state, readings, settings, utc_now())
        finally:
            readings.close()
    finally:
        state.close()


def _plan_missing(state: State, readings: ReadingStore, settings: Settings, now: datetime) -> None:
    state.pickups.fail_stale(now - STALE_AFTER)
    local = now.astimezone(settings.zone)
    with_bins = {
        municipality for municipality, device_type, _ in state.devices.count_by_status() if device_type == DEVICE_TYPE
    }
    roads: Roads | None = None
    everyone = state.municipalities.all()
    for municipality in everyone:
        slug, together = municipality.municipality, _planned_together(municipality, everyone)
        if not with_bins & set(together) or local.hour < municipality.planning_hour:
            continue
        in_force = state.pickups.plan_in_force(slug, local.date())
        if in_force is not None:
            if _is_to_be_replanned(in_force, municipality, local):
                queued = queue_replan(state, in_force.plan_id)
                roads = roads or open_roads(settings)
                _tell(run_plan(state, readings, queued.plan_id, settings=settings, roads=roads))
        elif is_collected(municipality, local.date(), settings.holidays_state) and not _was_tried(
            state, slug, local.date(), now
        ):
            roads = roads or open_roads(settings)
            _tell(plan_day(state, readings, together, local.date(), settings=settings, roads=roads))


def _tell(plan: Plan) -> None:
    if plan.state is PlanState.FAILED:
        logger.warning("no pickup plan for %s on %s: %s", plan.municipality, plan.date, plan.error)


def _is_to_be_replanned(plan: Plan, municipality: Municipality, local: datetime) -> bool:
    """Whether an hour of replanning has come since the plan was made, and a driver is at it."""
    hours = [hour for hour in municipality.replanning_hours if hour <= local.hour]
    if not hours or all(stop.state is StopState.PLANNED for route in plan.routes for stop in route.stops):
        return False
    return plan.created_at < local.replace(hour=max(hours), minute=0, second=0, microsecond=0)


def _planned_together(municipality: Municipality, everyone: Sequence[Municipality]) -> list[str]:
    """The municipality and its neighbours; nobody if a neighbour plans for it."""
    slug = municipality.municipality
    known = {each.municipality for each in everyone}
    if not municipality.planned_with and any(slug in each.planned_with for each in everyone):
        return []
    return [slug, *(each for each in municipality.planned_with if each in known)]


def _was_tried(state: State, municipality: str, day: date, now: datetime) -> bool:
    newest = state.pickups.page_plans(municipality=municipality, limit=10).items
    return any(
        plan.date == day and (plan.state is not PlanState.FAILED or plan.created_at > now - RETRY_AFTER)
        for plan in newest
    )
