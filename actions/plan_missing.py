"""The job that makes the day's plans: each municipality's at its hour, once."""

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from actions.plan_pickups import open_roads, plan_day
from core.clock import utc_now
from core.device import Municipality
from core.pickup import PlanState
from core.settings import Settings
from core.travel import Roads
from pickups.collection_days import is_collected
from pickups.due import DEVICE_TYPE
from storage.readings import ReadingStore, open_readings
from storage.state import State, open_state

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
        together = _planned_together(municipality, everyone)
        if not with_bins & set(together) or local.hour < municipality.planning_hour:
            continue
        if not is_collected(municipality, local.date(), settings.holidays_state):
            continue
        if not _is_planned(state, municipality.municipality, local.date(), now):
            roads = roads or open_roads(settings)
            plan = plan_day(state, readings, together, local.date(), settings=settings, roads=roads)
            if plan.state is PlanState.FAILED:
                logger.warning("no pickup plan for %s on %s: %s", plan.municipality, plan.date, plan.error)


def _planned_together(municipality: Municipality, everyone: Sequence[Municipality]) -> list[str]:
    """The municipality and its neighbours; nobody if a neighbour plans for it."""
    slug = municipality.municipality
    known = {each.municipality for each in everyone}
    if not municipality.planned_with and any(slug in each.planned_with for each in everyone):
        return []
    return [slug, *(each for each in municipality.planned_with if each in known)]


def _is_planned(state: State, municipality: str, day: date, now: datetime) -> bool:
    if state.pickups.plan_in_force(municipality, day):
        return True
    newest = state.pickups.page_plans(municipality=municipality, limit=10).items
    return any(
        plan.date == day and (plan.state is not PlanState.FAILED or plan.created_at > now - RETRY_AFTER)
        for plan in newest
    )
