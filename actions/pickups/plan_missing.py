"""The jobs that queue the day's plans: each municipality's at its hour, once, and again when there is reason to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from actions.pickups.bins_of_day import zero_of_day
from actions.pickups.levels import newest_levels
from actions.pickups.queue_plan import queue_plan, queue_replan
from core.device import Municipality
from core.pickup import Plan, PlanState, StopState
from core.settings import Settings
from pickups.collection_days import is_collected
from pickups.due import DEVICE_TYPE, is_served
from pickups.routes.shift import LEAST_SHIFT_S
from readings.store import ReadingStore
from state.devices import DeviceFilter
from state.state import State

RETRY_AFTER: Final = timedelta(hours=1)
"""A plan of the day that failed is tried again after so long."""
SETTLED_AFTER: Final = timedelta(minutes=5)
"""A plan is not made anew before this: devices that come back after a cut come one by one."""
LEAST_MISSED: Final = 3
MISSED_SHARE: Final = 0.2
"""So many bins newly due, at least three and a fifth of the stops, make a plan anew. Assumed."""


def plan_missing(state: State, readings: ReadingStore, settings: Settings, now: datetime) -> list[Plan]:
    """Queue today's plans where the planning hour has come, there is none, and something is known; the plans queued.

    Without a level or a request there is nothing to plan yet. Safe to repeat, but not by two programs at once.

    Raises:
        StorageError: a store does not answer; what was queued before stays so.
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
            known = _known_now(state, readings, together, now)
            if known.levels or known.requested:
                queued.append(queue_plan(state, together, today, now))
    return queued


def plan_changed(state: State, readings: ReadingStore, settings: Settings, now: datetime) -> list[Plan]:
    """Queue today's plans anew that the day has overtaken while no driver has said anything yet; the plans queued.

    One that was made when few bins had told their levels; and one whose vehicles are not to set out yet, or that has no
    stop, while many more bins have become due. Once drivers are at it, `replanning_hours` say when it is made again.

    Raises:
        StorageError: a store does not answer; what was queued before stays so.
    """
    today = now.astimezone(settings.zone).date()
    now_s = (now - zero_of_day(today, settings.zone)).total_seconds()
    queued = []
    for plan in state.pickups.plans_in_force(today):
        stops = [stop for route in plan.routes for stop in route.stops]
        if plan.replaces is not None or any(stop.state is not StopState.PLANNED for stop in stops):
            continue
        together = [plan.municipality, *(each for each in plan.municipalities if each != plan.municipality)]
        vehicles = [vehicle for each in together for vehicle in state.municipalities.get(each).vehicles]
        if all(vehicle.shift_start_s + vehicle.shift_s - now_s < LEAST_SHIFT_S for vehicle in vehicles):
            continue
        tried_at = _tried_at(state, plan.municipality, today, now)
        if tried_at is not None and (tried_at > plan.created_at or now - tried_at < SETTLED_AFTER):
            continue
        known = _known_now(state, readings, together, now)
        missed = known.due - {stop.device_id for stop in stops} - set(plan.unplanned)
        many = max(LEAST_MISSED, MISSED_SHARE * len(stops))
        waits = not stops or now_s < min(route.start_s for route in plan.routes)
        if (waits and len(missed) >= many) or _knew_little(plan, known.levels):
            queued.append(queue_plan(state, together, today, now))
    return queued


@dataclass(frozen=True, slots=True)
class _KnownNow:
    """Of how many bins a level is known, which are asked for, which are due by either."""

    levels: int
    requested: frozenset[str]
    due: frozenset[str]


def _known_now(state: State, readings: ReadingStore, municipalities: Sequence[str], now: datetime) -> _KnownNow:
    levels = 0
    requested: set[str] = set()
    due: set[str] = set()
    for slug in municipalities:
        threshold = state.municipalities.get(slug).filling_threshold
        bins = [bin_ for bin_ in state.devices.all(DeviceFilter(slug, DEVICE_TYPE)) if is_served(bin_)]
        newest = newest_levels(readings, bins, slug, now)
        levels += len(newest)
        due.update(device_id for device_id, level in newest.items() if level.filling_level >= threshold)
        requested.update(request.device_id for request in state.pickups.open_requests(slug))
    return _KnownNow(levels, frozenset(requested), frozenset(due | requested))


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
        and not _knew_nothing(plan)
        and (plan.state is not PlanState.FAILED or (plan.finished_at or plan.created_at) > now - RETRY_AFTER)
    )
    return next(counting, None)


def _knew_little(plan: Plan, levels: int) -> bool:
    """Whether it was made when no more than half as many levels were known as are now."""
    return plan.levels_known is not None and levels > plan.levels_known and levels >= 2 * plan.levels_known


def _knew_nothing(plan: Plan) -> bool:
    """Whether it was made before any level was known, and is not in force for that."""
    return plan.state is PlanState.DONE and plan.levels_known == 0 and not plan.routes
