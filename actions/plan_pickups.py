"""Plans pickups: which bins are due on a day and the routes to empty them, from what the stores know."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from actions.bin_levels import forecasts, levels_before, newest_levels, without_emptied
from core.clock import utc_now
from core.device import Municipality, Place
from core.errors import ConflictError, InvalidInputError, KreispulsError
from core.pickup import DueBin, Plan, PlanState, Route, Stop
from core.settings import Settings
from pickups.distance import SOURCE
from pickups.due import DEVICE_TYPE, due_bins
from pickups.route_plan import PlannedRoute, RoutePlan, ends
from pickups.routing import DEFAULT_TIME_LIMIT_S, plan_routes
from storage.devices import DeviceFilter
from storage.readings import ReadingStore, open_readings
from storage.state import State, open_state

logger = logging.getLogger(__name__)

MORNING: Final = time(6)
"""A day that is over is planned with what was known at this local hour, when vehicles leave."""
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999
RETRY_AFTER: Final = timedelta(hours=1)
"""A plan of the day that failed is tried again after so long."""
STALE_AFTER: Final = timedelta(minutes=15)
"""A plan still queued or running after so long was interrupted: its program ended."""
ASSUMED_DEPOT: Final = "middle of the bins (no depot set)"
_UNSET: Final = Municipality(municipality="-", name="")
"""Has the defaults: for devices of a municipality that the registry does not know."""
_SOLVING_FROM: Final = 0.1
"""Progress when the levels are there and the search begins."""


def due_for(
    state: State,
    readings: ReadingStore,
    municipality: str | None,
    day: date,
    zone: ZoneInfo,
    *,
    now: datetime | None = None,
) -> list[DueBin]:
    """The bins due on a local day, of one municipality or of all.

    Today and later days are judged by the newest levels, a day that is over by those known at 06:00 of it. The forecast
    is for the end of the day. A stop confirmed on today's routes counts as emptied until the bin reports again.

    Raises:
        NotFoundError: there is no such municipality.
        InvalidInputError: a date that no calendar of bins has.
        StorageError: a store does not answer.
    """
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InvalidInputError(f"date {day.isoformat()} is not within the years {FIRST_YEAR} to {LAST_YEAR}")
    now = now or utc_now()
    known = [state.municipalities.get(municipality)] if municipality is not None else state.municipalities.all()
    bins = state.devices.all(DeviceFilter(municipality=municipality, device_type=DEVICE_TYPE))
    is_over = day < now.astimezone(zone).date()
    until = min(now, _instant(day, MORNING, zone)) if is_over else now
    levels = levels_before(readings, bins, until) if is_over else newest_levels(readings, bins, municipality, until)
    if not is_over:
        levels = without_emptied(levels, state.pickups.plans_in_force(now.astimezone(zone).date()))
    thresholds = {bin_.municipality: _UNSET.filling_threshold for bin_ in bins}
    thresholds |= {place.municipality: place.filling_threshold for place in known}
    return due_bins(
        bins,
        levels,
        thresholds=thresholds,
        requested={
            request.device_id for request in state.pickups.open_requests(municipality) if request.requested_at <= until
        },
        forecasts=forecasts(
            state,
            readings,
            bins,
            levels,
            until=until,
            at=_instant(day + timedelta(days=1), time(), zone),
            zone=zone,
        ),
    )


def queue_plan(state: State, municipality: str, day: date) -> Plan:
    """Keep a plan to be made by `run_plan`.

    Raises:
        NotFoundError: there is no such municipality.
    """
    state.municipalities.get(municipality)
    plan = Plan(plan_id=str(uuid4()), municipality=municipality, date=day, state=PlanState.QUEUED, created_at=utc_now())
    state.pickups.add_plan(plan)
    return plan


def run_plan(
    state: State,
    readings: ReadingStore,
    plan_id: str,
    *,
    zone: ZoneInfo,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
) -> Plan:
    """Make a queued plan and keep it, done or failed with its reason; progress is kept on the way.

    Raises:
        NotFoundError: there is no such plan.
        ConflictError: it is not queued (any more).
        StorageError: the plan cannot be kept.
    """
    queued = state.pickups.get_plan(plan_id)
    if queued.state is not PlanState.QUEUED:
        raise ConflictError(f"plan {plan_id} is {queued.state.value}, not queued")
    running = replace(queued, state=PlanState.RUNNING)
    state.pickups.save_plan(running)
    try:
        plan = _make(state, readings, running, zone=zone, time_limit_s=time_limit_s, seed=seed)
    except KreispulsError as error:
        plan = replace(running, state=PlanState.FAILED, error=str(error), finished_at=utc_now())
    except Exception as error:
        wrong = f"unexpected {type(error).__name__} while planning"
        state.pickups.save_plan(replace(running, state=PlanState.FAILED, error=wrong, finished_at=utc_now()))
        raise
    state.pickups.save_plan(plan)
    return plan


def plan_day(
    state: State,
    readings: ReadingStore,
    municipality: str,
    day: date,
    *,
    zone: ZoneInfo,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
) -> Plan:
    """Queue a plan and make it at once; done or failed.

    Raises:
        NotFoundError: there is no such municipality.
        StorageError: the plan cannot be kept.
    """
    queued = queue_plan(state, municipality, day)
    return run_plan(state, readings, queued.plan_id, zone=zone, time_limit_s=time_limit_s, seed=seed)


def plan_missing(settings: Settings) -> None:
    """Make today's plans where the planning hour has come and there is none: the job that runs every minute.

    Opens and closes its own stores, so it may run in a process of its own. Plans that an ended program left behind
    become failed.
    """
    state = open_state(settings.state_url)
    try:
        readings = open_readings(settings)
        try:
            _plan_missing(state, readings, settings.zone, utc_now())
        finally:
            readings.close()
    finally:
        state.close()


def _plan_missing(state: State, readings: ReadingStore, zone: ZoneInfo, now: datetime) -> None:
    state.pickups.fail_stale(now - STALE_AFTER)
    local = now.astimezone(zone)
    with_bins = {
        municipality for municipality, device_type, _ in state.devices.count_by_status() if device_type == DEVICE_TYPE
    }
    for municipality in state.municipalities.all():
        if municipality.municipality not in with_bins or local.hour < municipality.planning_hour:
            continue
        if not _is_planned(state, municipality.municipality, local.date(), now):
            plan = plan_day(state, readings, municipality.municipality, local.date(), zone=zone)
            if plan.state is PlanState.FAILED:
                logger.warning("no pickup plan for %s on %s: %s", plan.municipality, plan.date, plan.error)


def _is_planned(state: State, municipality: str, day: date, now: datetime) -> bool:
    if state.pickups.plan_in_force(municipality, day):
        return True
    newest = state.pickups.page_plans(municipality=municipality, limit=10).items
    return any(
        plan.date == day and (plan.state is not PlanState.FAILED or plan.created_at > now - RETRY_AFTER)
        for plan in newest
    )


def _make(state: State, readings: ReadingStore, plan: Plan, *, zone: ZoneInfo, time_limit_s: float, seed: int) -> Plan:
    due = due_for(state, readings, plan.municipality, plan.date, zone)
    municipality = _with_depot(state.municipalities.get(plan.municipality), due)
    tell = _Progress(lambda share: state.pickups.set_progress(plan.plan_id, share))
    tell(0.0)
    if municipality.depot is None:  # nothing due has a position: there is no way to plan, and nothing that needs one
        routes = RoutePlan((), (), SOURCE)
        unplanned = tuple(bin_.device_id for bin_ in due)
        return _finished(plan, municipality, routes, unplanned)
    routes = plan_routes(due, municipality, seed=seed, time_limit_s=time_limit_s, progress=tell)
    for left_out in routes.unplanned:
        logger.info("plan %s leaves out bin %s: %s", plan.plan_id, left_out.device_id, left_out.reason)
    return _finished(plan, municipality, routes, tuple(left_out.device_id for left_out in routes.unplanned))


class _Progress:
    """Tells a plan's progress: the search's share of it begins where the levels are there."""

    def __init__(self, keep: Callable[[float], None]) -> None:
        self._keep = keep

    def __call__(self, share: float) -> None:
        self._keep(_SOLVING_FROM + (1 - _SOLVING_FROM) * share)


def _with_depot(municipality: Municipality, due: Iterable[DueBin]) -> Municipality:
    """The municipality with a depot: without one, the middle of the bins stands in, and its name says so."""
    places = [
        (bin_.latitude, bin_.longitude) for bin_ in due if bin_.latitude is not None and bin_.longitude is not None
    ]
    if municipality.depot is not None or not places:
        return municipality
    latitudes, longitudes = zip(*places, strict=True)
    middle = Place(ASSUMED_DEPOT, sum(latitudes) / len(places), sum(longitudes) / len(places))
    return replace(municipality, depot=middle)


def _finished(plan: Plan, municipality: Municipality, routes: RoutePlan, unplanned: tuple[str, ...]) -> Plan:
    done = replace(
        plan,
        state=PlanState.DONE,
        progress=1.0,
        finished_at=utc_now(),
        distance_source=routes.distance_source,
        distance_m=sum(route.distance_m for route in routes.routes),
        duration_s=sum(route.duration_s for route in routes.routes),
        routes=tuple(_route(route) for route in routes.routes),
        unplanned=unplanned,
    )
    if municipality.depot is None:
        return done
    depot, disposal = ends(municipality)
    return replace(
        done,
        depot_name=depot.name,
        depot_latitude=depot.latitude,
        depot_longitude=depot.longitude,
        disposal_name=disposal.name,
        disposal_latitude=disposal.latitude,
        disposal_longitude=disposal.longitude,
    )


def _route(route: PlannedRoute) -> Route:
    return Route(
        route_id=str(uuid4()),
        vehicle=route.vehicle,
        stops=tuple(
            Stop(
                stop_id=str(uuid4()),
                sequence=sequence,
                device_id=stop.bin.device_id,
                name=stop.bin.name,
                latitude=stop.bin.latitude or 0.0,
                longitude=stop.bin.longitude or 0.0,
                filling_level=stop.bin.filling_level,
                volume_l=stop.bin.volume_l,
                reasons=stop.bin.reasons,
                arrival_s=stop.arrival_s,
                distance_m=stop.distance_m,
            )
            for sequence, stop in enumerate(route.stops, start=1)
        ),
        distance_m=route.distance_m,
        duration_s=route.duration_s,
        load_l=route.load_l,
    )


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
